"""The report's JSON Schema for constrained generation, and the reading of what came back.

The schema is the contract's, made fit for llguidance and for OpenAI's strict mode: closed, every key required,
no references, evidence before conclusions (a model writes in key order, so it cites before it claims), frames
limited to those sent. Boxes are whole thousandths, which vision-language models are trained on and which keeps
numbers short, and probabilities whole percent; `parse_report` turns both into the contract's fractions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pipeline.contracts.assessment import Action, Element, Forecast, Relation, RelationKind, Report
from pipeline.contracts.values import Contract, Severity
from pipeline.errors import InvalidMessage

KEY_ORDER = (
    "frames", "elements", "relations", "actions",
    "title", "explanation", "severity_reason", "severity", "forecasts", "forecast", "advice",
)  # fmt: skip
BOX_SCALE = 1000
PERCENT = 100
MAX_FORECAST_SECONDS = 600
"""As the contract bounds it; a model that says "within the hour" means at most this here."""
MAX_REPORT_CHARACTERS = 50_000
"""A full report within the contract's bounds has about 8,000."""

_ENTRIES: dict[str, type[Contract]] = {
    "elements": Element,
    "relations": Relation,
    "actions": Action,
    "forecasts": Forecast,
}

_UNWANTED = {"title", "description", "default"}


def report_schema(num_frames: int) -> dict[str, Any]:
    """JSON Schema of a report over frames 1 to `num_frames`."""
    raw = Report.model_json_schema()
    schema: dict[str, Any] = _strict(raw, raw.get("$defs", {}))
    properties = schema["properties"]
    frame = {"type": "integer", "enum": list(range(1, num_frames + 1))}
    box = {"type": "integer", "minimum": 0, "maximum": BOX_SCALE}
    properties["frames"] |= {"items": frame, "minItems": 1, "maxItems": num_frames}
    entries = {name: properties[name]["items"]["properties"] for name in _ENTRIES}
    for name, key in (
        ("elements", "frame"), ("relations", "frame"), ("actions", "first_frame"), ("actions", "last_frame"),
    ):  # fmt: skip
        entries[name][key] = frame
    entries["elements"]["box"] = {
        "anyOf": [{"type": "array", "items": box, "minItems": 4, "maxItems": 4}, {"type": "null"}]
    }
    entries["forecasts"]["probability"] = {"type": "integer", "minimum": 0, "maximum": PERCENT}
    properties["severity"] = {"type": "string", "enum": [each.value for each in Severity]}
    schema["properties"] = {key: properties[key] for key in KEY_ORDER}
    schema["required"] = list(KEY_ORDER)
    return schema


def _strict(node: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema with references put in place, closed objects and every key required."""
    if isinstance(node, list):
        return [_strict(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _strict(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    strict = {key: _strict(value, definitions) for key, value in node.items() if key not in _UNWANTED | {"$defs"}}
    if node.get("type") == "object":
        # Below `properties` the keys are names of fields, not words of JSON Schema: `title` is one of them.
        strict["properties"] = {name: _strict(value, definitions) for name, value in node["properties"].items()}
        strict |= {"required": list(node["properties"]), "additionalProperties": False}
    return strict


def parse_report(text: str, num_frames: int) -> Report:
    """The report in `text`, or `InvalidMessage`: not JSON, cut off, wrong shape, or proven by frames not sent.

    Texts and lists over the contract's bounds are cut and unknown keys ignored (a server that cannot
    constrain its model overruns them); a box that encloses nothing is left out, and a word outside a closed list
    becomes `other` or none. What single claims cite is left to `grounding`.
    """
    body = _load(text)
    try:
        report = Report.model_validate(_tidy(body))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        raise InvalidMessage(f"the report does not have the form asked for: {where}: {first['msg']}") from error
    _check_frames(report, num_frames)
    return report


def printable(text: str) -> str:
    """`text` without what JSON can carry and a database cannot: lone surrogates and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def _load(text: str) -> dict[str, Any]:
    if len(text) > MAX_REPORT_CHARACTERS:
        raise InvalidMessage(f"the report has {len(text):,} characters, expected at most {MAX_REPORT_CHARACTERS:,}")
    bare = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        body = json.loads(bare)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"the report is not whole JSON: {error}") from error
    if not isinstance(body, dict):
        raise InvalidMessage(f"expected the report to be a JSON object, got {type(body).__name__}")
    return body


def _tidy(body: Mapping[str, Any]) -> dict[str, Any]:
    tidy = _known(body, Report.model_fields)
    for name, model in _ENTRIES.items():
        entries = tidy.get(name)
        if isinstance(entries, list):
            tidy[name] = [_tidy_entry(model, each) if isinstance(each, dict) else each for each in entries]
    if tidy.get("severity") not in list(Severity):
        tidy["severity"] = None
    return tidy


def _tidy_entry(model: type[Contract], entry: Mapping[str, Any]) -> dict[str, Any]:
    tidy = _known(entry, model.model_fields)
    if model is Element:
        tidy["box"] = _fractions(tidy.get("box"))
    if model is Relation:
        return _with_kind(tidy)
    return _bounded(tidy) if model is Forecast else tidy


def _with_kind(relation: dict[str, Any]) -> dict[str, Any]:
    """A kind that is not in the list is kept as the model's own words for it, where it gave none."""
    given = relation.get("kind")
    kind = given if given in list(RelationKind) else RelationKind.OTHER
    words = given if isinstance(given, str) else kind
    return {"relation": _cut(words, _bound(Relation.model_fields["relation"]))} | relation | {"kind": kind}


def _bounded(forecast: dict[str, Any]) -> dict[str, Any]:
    """Seconds and probability as the contract takes them; what is no number is left to be refused."""
    within, probability = forecast.get("within_seconds"), forecast.get("probability")
    if isinstance(within, int | float) and math.isfinite(within):
        forecast["within_seconds"] = round(min(max(within, 1), MAX_FORECAST_SECONDS))
    if isinstance(probability, int | float):
        is_percent = isinstance(probability, int) or probability > 1
        forecast["probability"] = probability / PERCENT if is_percent else probability
    return forecast


def _known(body: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The known keys, texts and lists cut at the field's bound."""
    return {key: _cut(value, _bound(fields[key])) for key, value in body.items() if key in fields}


def _bound(field: Any) -> int | None:
    return next((each.max_length for each in field.metadata if hasattr(each, "max_length")), None)


def _cut(value: Any, bound: int | None) -> Any:
    if isinstance(value, str):
        text = printable(value)
        return text if bound is None or len(text) <= bound else f"{text[: bound - 1]}…"
    return value[:bound] if isinstance(value, list) else value


def _fractions(box: Any) -> list[float] | None:
    """A box in thousandths (or already in fractions) as fractions; None when it is not a box."""
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(side, int | float) for side in box):
        return None
    scale = BOX_SCALE if max(box) > 1 else 1
    left, top, right, bottom = (side / scale for side in box)
    return [left, top, right, bottom] if 0 <= left < right <= 1 and 0 <= top < bottom <= 1 else None


def _check_frames(report: Report, num_frames: int) -> None:
    if not report.frames:
        raise InvalidMessage("the report cites no frame")
    unsent = sorted(number for number in set(report.frames) if not 1 <= number <= num_frames)
    if unsent:
        raise InvalidMessage(f"the report cites frames that were not sent: {unsent}; there were {num_frames}")
