"""What each tool takes: flat, closed models whose JSON Schemas any tool-calling server understands.

What is not given is an empty word, never null: small models and old servers handle no unions.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_MAX_SHOWN = 60
_TIME = "at the site's time: 2026-03-01T06:00, 22:14, yesterday 22:14, 2 hours ago, now"

_Camera = Annotated[str, Field(min_length=1, max_length=63, description="The camera's id.")]
_AnyCamera = Annotated[str, Field(max_length=63, description="Only of this camera; empty for all.")]
_AnyRule = Annotated[str, Field(max_length=63, description="Only of this rule; empty for all.")]
_From = Annotated[str, Field(alias="from", max_length=40, description=f"From then on, {_TIME}.")]
_To = Annotated[str, Field(alias="to", max_length=40, description="Until then, in the same forms.")]
_At = Annotated[str, Field(min_length=1, max_length=40, description=f"When, {_TIME}.")]
_Id = Annotated[str, Field(min_length=4, max_length=40, description="An incident's id, or its beginning.")]
_By = Annotated[str, Field(min_length=1, max_length=80, description="The person who says so.")]
_Note = Annotated[str, Field(max_length=500, description="A remark to keep with it.")]


class Arguments(BaseModel):
    """Base: closed, frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_given(cls, value: Any) -> Any:
        """Many models write null for what they leave out."""
        return {key: each for key, each in value.items() if each is not None} if isinstance(value, dict) else value


class Span(Arguments):
    """A while; the last day unless said otherwise."""

    since: _From = "1 day ago"
    until: _To = "now"


class SearchEvents(Span):
    """Which incidents to list."""

    camera: _AnyCamera = ""
    rule: _AnyRule = ""
    status: Annotated[
        Literal["any", "provisional", "confirmed", "rejected", "unverified"], Field(description="What is known of it.")
    ] = "any"
    text: Annotated[str, Field(max_length=200, description="Words in what was seen or measured; empty for all.")] = ""
    limit: Annotated[int, Field(ge=1, le=20, description="At most so many.")] = 10


class GetIncident(Arguments):
    """Which incident to tell in full."""

    id: _Id


class SearchFrames(Span):
    """Which pictures to look for."""

    text: Annotated[str, Field(max_length=200, description="What the picture shows, in English; or use like.")] = ""
    like: Annotated[str, Field(max_length=40, description="Id of an incident that looks alike; or use text.")] = ""
    camera: _AnyCamera = ""
    limit: Annotated[int, Field(ge=1, le=20, description="At most so many.")] = 5


class SearchMoments(Span):
    """Which moments to look for."""

    text: Annotated[str, Field(min_length=1, max_length=200, description="What the picture shows, in English.")]
    camera: _AnyCamera = ""
    zone: Annotated[str, Field(max_length=63, description="Only with something in this zone; empty for all.")] = ""
    label: Annotated[str, Field(max_length=40, description="Only with such a thing: person, car; empty for all.")] = ""
    limit: Annotated[int, Field(ge=1, le=20, description="At most so many.")] = 8


class GetFrames(Arguments):
    """Which kept pictures to show."""

    camera: _Camera
    at: _At
    count: Annotated[int, Field(ge=1, le=4, description="At most so many, the nearest in time.")] = 2


class CountTracks(Span):
    """Which things to count."""

    camera: _AnyCamera = ""
    label: Annotated[str, Field(max_length=40, description="What they are: person, car; empty for all.")] = ""
    zone: Annotated[str, Field(max_length=63, description="Only by rules about this zone; empty for all.")] = ""
    rule: _AnyRule = ""


class CameraStatus(Arguments):
    """Which camera to report on."""

    camera: _AnyCamera = ""


class Coverage(Span):
    """Which camera's account to give."""

    camera: _Camera


class Why(Arguments):
    """Which moment to account for."""

    camera: _Camera
    at: _At
    rule: _AnyRule = ""
    window_minutes: Annotated[int, Field(ge=1, le=60, description="How much time around it.")] = 1


class Review(Arguments):
    """A person's word on an incident."""

    id: _Id
    by: _By
    note: _Note = ""


def schema_of(arguments: type[Arguments]) -> dict[str, Any]:
    """JSON Schema: an object, closed, without references or titles."""
    schema = arguments.model_json_schema(by_alias=True)
    properties = {
        name: {key: value for key, value in each.items() if key != "title"}
        for name, each in schema.get("properties", {}).items()
    }
    return {
        "type": "object",
        "properties": properties,
        "required": schema.get("required", []),
        "additionalProperties": False,
    }


def expected_in_words(error: ValidationError) -> str:
    """What was wrong with arguments, and what was expected, so that a model can mend them."""
    problems = [
        f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']} (got {str(each['input'])[:_MAX_SHOWN]!r})"
        for each in error.errors(include_url=False)[:5]
    ]
    return "; ".join(problems)
