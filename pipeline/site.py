"""The site file: the operator's one file, read and checked without touching the network.

In: the path of a YAML file. Out: a `Site`, or a `SiteFileError` that lists every problem with its line, what
was expected and the nearest right name. Secrets come from the environment only, as `${NAME}`.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator

from pipeline.contracts.alert import Channel
from pipeline.contracts.camera import Camera
from pipeline.contracts.health import Condition
from pipeline.contracts.rule import ANY_OBJECT, Examples, Rule
from pipeline.contracts.values import Contract, Identifier
from pipeline.errors import ConfigError, SiteFileError, SiteProblem
from pipeline.settings import GivenSettings, Settings
from pipeline.site_document import Document, dotted

_ENCODER_WAYS_OUT = (
    "set models.encoder to a CLIP or SigLIP model (a Hugging Face id or a folder), "
    "or describe the rule with track: instead of when:"
)
_ANY_ENCODER = "set models.encoder to a CLIP, SigLIP or DINO model, or to onnx:PATH"
_SCORED_KINDS = (
    ("when", "a rule in words", _ENCODER_WAYS_OUT),
    ("examples", "a rule by examples", _ANY_ENCODER),
    ("unusual", "a rule about the unusual", _ANY_ENCODER),
)
DEFAULT_HEALTH_RULE = Rule(id="camera-health", health=tuple(Condition), verify="none", cooldown=0.0)
"""Tells every channel whatever goes wrong with any camera: nobody has to ask for it."""
MOTION_DETECTOR = "motion"
NO_MODEL = "none"
BUILTIN_MODEL = "builtin"
"""The models that come with the program: small, trained on rendered scenes, a demonstrator."""


class SiteInfo(Contract):
    """Where this is."""

    name: Identifier = "site"
    timezone: str = "UTC"
    """IANA name; schedules and reports use it."""
    language: str = Field("en", pattern=r"^[a-z]{2}(-[A-Za-z]{2,4})?$")
    """Of reports, e.g. `en` or `zh`."""
    policy: str = Field("", max_length=8000)
    """What matters here and what does not, in the operator's words, for the model that judges."""
    questions: Annotated[tuple[Annotated[str, Field(max_length=300)], ...], Field(max_length=10)] = ()
    """A checklist for the model that judges, such as `Is anybody on the wrong side of the fence?`."""

    @field_validator("questions", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            near = difflib.get_close_matches(value, sorted(available_timezones()), n=1)
            raise ValueError(
                f"expected an IANA time zone such as Europe/Berlin, got {value!r}"
                + (f"; did you mean {near[0]}?" if near else "")
            )
        return value

    @property
    def zone_info(self) -> ZoneInfo:
        """The zone to reckon schedules in."""
        return ZoneInfo(self.timezone)


class Models(Contract):
    """Which models do the seeing and the reasoning. Nothing is downloaded unless it is named here."""

    encoder: str = NO_MODEL
    """`none`, `builtin`, a CLIP/SigLIP/DINO model: a Hugging Face id or a folder; or `onnx:PATH[#LAYER]`, which reads
    no words."""
    detector: str = MOTION_DETECTOR
    """`motion`, `builtin` (what moves, with a name), `onnx:PATH` (YOLOX layout), or an object-detection model: a
    Hugging Face id or a folder."""
    faces: str = NO_MODEL
    """`none`, or `onnx:PATH` of a face detector (the Ultra-Light-Fast layout), for cameras with `blur_faces`."""
    vlm: str = NO_MODEL
    """`none`, `builtin`, `openai:URL#model`, or an image-text-to-text model: a Hugging Face id or a folder."""
    vlm_api_key: SecretStr | None = None
    """For `openai:`; from the environment as `${NAME}`."""
    strong_vlm: str = NO_MODEL
    """As `vlm`, `openai:` alone in a cluster: asked beside it for what is uncertain or critical."""
    strong_vlm_api_key: SecretStr | None = None
    """The key of `strong_vlm`; that of `vlm` is never sent to another server."""

    @model_validator(mode="after")
    def _strong_beside_another(self) -> Self:
        if self.strong_vlm != NO_MODEL and self.vlm == NO_MODEL:
            raise ValueError("strong_vlm is asked beside a vlm; with one model alone, name it in vlm")
        return self


class Site(Contract):
    """A whole site file."""

    site: SiteInfo = SiteInfo()
    models: Models = Models()
    cameras: tuple[Camera, ...] = Field(min_length=1)
    rules: tuple[Rule, ...] = ()
    channels: dict[Identifier, Channel] = {}
    settings: dict[str, Any] = {}
    """Overrides of the program's settings; see `pipeline.settings`."""

    @field_validator("channels", mode="before")
    @classmethod
    def _name_channels(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        named = [name for name, body in value.items() if isinstance(body, Mapping) and "name" in body]
        if named:
            raise ValueError(f"a channel's name is its key; take `name` out of {named[0]}")
        return {name: {"name": name, **body} if isinstance(body, Mapping) else body for name, body in value.items()}

    def rules_for(self, camera: Camera) -> tuple[Rule, ...]:
        """The rules that look at what this camera sees, disabled ones included."""
        return tuple(rule for rule in self.rules if rule.health is None and camera.matches(rule.cameras))

    def health_rules_for(self, camera: Camera) -> tuple[Rule, ...]:
        """The rules about the camera itself, disabled ones included; without any in the file, one that tells all."""
        return tuple(rule for rule in self.all_rules if rule.health is not None and camera.matches(rule.cameras))

    @property
    def longest_cooldown(self) -> timedelta:
        """Of any rule: how long ago what was told may happen again."""
        return timedelta(seconds=max((rule.cooldown for rule in self.rules), default=0.0))

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """The rules of the file, and `camera-health` unless the file has its own rules about health."""
        if any(rule.health is not None for rule in self.rules):
            return self.rules
        return (*self.rules, DEFAULT_HEALTH_RULE)

    def channels_for(self, rule: Rule) -> tuple[Channel, ...]:
        """The channels this rule tells."""
        return tuple(self.channels[name] for name in (rule.notify or tuple(self.channels)))

    def camera(self, camera_id: str) -> Camera | None:
        """The camera of that id."""
        return next((camera for camera in self.cameras if camera.id == camera_id), None)

    def rule(self, rule_id: str) -> Rule | None:
        """The rule of that id."""
        return next((rule for rule in self.all_rules if rule.id == rule_id), None)

    def secrets(self) -> Iterator[str]:
        """Every secret value, for the log filter."""
        for camera in self.cameras:
            for url in (camera.url, camera.fallback_url):
                # Up to the last @: cameras take passwords that hold one.
                password = re.search(r"://[^/:\s]*:([^/\s]+)@", url.get_secret_value()) if url else None
                if password:
                    yield password.group(1)
        for channel in self.channels.values():
            yield channel.webhook.get_secret_value()
            if channel.secret:
                yield channel.secret.get_secret_value()
        for key in (self.models.vlm_api_key, self.models.strong_vlm_api_key):
            if key:
                yield key.get_secret_value()


def load_site(path: Path | str, environment: Mapping[str, str] | None = None) -> Site:
    """Read, check and return the site file at `path`; `SiteFileError` lists all that is wrong with it.

    `-` is standard input.
    """
    path = Path(path)
    is_piped = str(path) == "-"
    text, name = (sys.stdin.read(), "standard input") if is_piped else (_read(path), str(path))
    site = parse_site(text, name, os.environ if environment is None else environment)
    return _with_example_paths(site, Path() if is_piped else path.parent)


def read_draft(text: str, path: Path) -> Site:
    """As `load_site`, of a text that is to stand at `path`."""
    return _with_example_paths(parse_site(text, str(path), os.environ), path.parent)


def parse_site(text: str, name: str, environment: Mapping[str, str]) -> Site:
    """The same from text; `name` stands for the file in messages."""
    document = Document(text, name, environment)
    try:
        site = Site.model_validate(document.value)
    except ValidationError as error:
        problems = document.problems + _from_pydantic(error, document, Site)
        # Not `from error`: pydantic's text quotes values that may be secrets.
        raise SiteFileError(name, tuple(map(document.without_secrets, problems))) from None
    problems = document.problems + list(_cross_check(site, document))
    if problems:
        raise SiteFileError(name, tuple(map(document.without_secrets, problems)))
    return site


def _with_example_paths(site: Site, folder: Path) -> Site:
    """Examples are looked for beside the site file, wherever the program was started."""
    return site.model_copy(update={"rules": tuple(_with_folder(rule, folder) for rule in site.rules)})


def _with_folder(rule: Rule, folder: Path) -> Rule:
    if rule.examples is None:
        return rule
    given = rule.examples.model_dump()
    found = {kind: [path if "://" in path else str(folder / path) for path in paths] for kind, paths in given.items()}
    return rule.model_copy(update={"examples": Examples.model_validate(found)})


def site_schema() -> dict[str, Any]:
    """JSON Schema of a site file, for editors."""
    schema = Site.model_json_schema()
    schema["title"] = "Sightline site file"
    channel = schema["$defs"]["Channel"]
    channel["required"] = [key for key in channel["required"] if key != "name"]
    del channel["properties"]["name"]
    _allow_shorthand(schema["$defs"])
    schema["properties"]["settings"] = Settings.model_json_schema()
    schema["$defs"] |= schema["properties"]["settings"].pop("$defs", {})
    return schema


def _allow_shorthand(models: dict[str, Any]) -> None:
    """One entry may stand for a list of one, and a schedule is written as text; validators see to both."""
    schedule = models["Rule"]["properties"]["schedule"]
    schedule["items"] = {"anyOf": [{"type": "string"}, schedule["items"]]}
    one_or_many = ("schedule", "cameras", "notify", "object")
    others = (
        ("TrackPredicate", "object"),
        ("SceneCard", "normal"),
        ("SceneCard", "hazards"),
        ("SiteInfo", "questions"),
    )
    for model, key in (*(("Rule", key) for key in one_or_many), *others):
        many = models[model]["properties"][key]
        models[model]["properties"][key] = {"anyOf": [many["items"], many]}
    examples, positive = models["Rule"]["properties"]["examples"], models["Examples"]["properties"]["positive"]
    examples["anyOf"] += [positive["items"], positive]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"no site file at {path}; `sightline check --example` prints one to start from") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the site file {path}: {error}") from error


def _from_pydantic(error: ValidationError, document: Document, root: type[BaseModel]) -> list[SiteProblem]:
    problems = []
    items = error.errors()
    for item in items:
        path = tuple(key for key in item["loc"] if key != "[key]" and not str(key).startswith("function-"))
        if item["type"] == "too_short" and any(_is_inside(other["loc"], item["loc"]) for other in items):
            continue  # only short because an item of it is wrong, which is told by itself
        hint = ""
        if item["type"] == "extra_forbidden":
            known = _known_keys(root, path[:-1])
            near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
            message = f"unknown key {path[-1]!r}"
            hint = f"did you mean {near[0]}?" if near else "known here: " + ", ".join(sorted(known))
        elif item["type"] == "too_short":
            least, num_given = item["ctx"]["min_length"], item["ctx"]["actual_length"]
            noun = "point" if {"zones", "lines", "masks"} & set(path) else "item"
            message = f"expected at least {least} {noun}{'s' * (least > 1)}, got {num_given}"
        elif item["type"] == "missing":
            message = "is required and not given"
        else:
            message = item["msg"].removeprefix("Value error, ")
            if item["type"] != "value_error":  # ours say what came by themselves
                message += _came(item.get("input"))
            if item["type"] == "string_type" and isinstance(item.get("input"), bool | int | float):
                hint = "put it in quotes: YAML reads a bare number, on, off, yes or no as something else than text"
        problems.append(SiteProblem(document.line(path), dotted(path), message, hint))
    return problems


def _is_inside(inner: tuple[str | int, ...], outer: tuple[str | int, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _came(value: object) -> str:
    if isinstance(value, SecretStr | dict) or value is None:
        return ""
    text = repr(value)
    return f", got {text}" if len(text) <= 60 else ""


def _known_keys(model: Any, path: Iterable[str | int]) -> list[str]:
    """Field names of the model at `path` below `model`, found through annotations."""
    current: Any = model
    for key in path:
        if isinstance(key, str) and isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(key)
            current = field.annotation if field else None
        current = _model_in(current)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    """The first model inside `tuple[Model, ...]`, `dict[str, Model]`, `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None


def _cross_check(site: Site, document: Document) -> Iterator[SiteProblem]:
    yield from _duplicates("cameras", [camera.id for camera in site.cameras], document)
    yield from _duplicates("rules", [rule.id for rule in site.all_rules], document)
    yield from _check_faces(site, document)
    known_cameras = {camera.id for camera in site.cameras} | {
        label for camera in site.cameras for label in camera.labels
    }
    for index, rule in enumerate(site.rules):
        at = ("rules", index)
        for position, wanted in enumerate(rule.cameras):
            if wanted not in known_cameras:
                yield _unknown((*at, "cameras", position), "camera or label", wanted, known_cameras, document)
        for position, channel in enumerate(rule.notify):
            if channel not in site.channels:
                yield _unknown((*at, "notify", position), "channel", channel, site.channels, document)
        yield from _check_places(site, rule, at, document)
        yield from _check_models(site, rule, at, document)
    yield from _check_settings(site, document)


def _duplicates(kind: str, ids: list[str], document: Document) -> Iterator[SiteProblem]:
    for index, name in enumerate(ids):
        if name in ids[:index]:
            path = (kind, index, "id")
            yield SiteProblem(document.line(path), dotted(path), f"the id {name!r} is already taken")


def _unknown(
    path: tuple[str | int, ...], kind: str, name: str, known: Iterable[str], document: Document
) -> SiteProblem:
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "there are: " + (", ".join(known) or "none")
    return SiteProblem(document.line(path), dotted(path), f"no {kind} is called {name!r}", hint)


def _check_places(site: Site, rule: Rule, at: tuple[str | int, ...], document: Document) -> Iterator[SiteProblem]:
    """A zone or line that a rule names must be drawn on every camera the rule looks at."""
    for kind, field, name in rule.names_used:
        path = (*at, *field.split("."))
        for camera in site.cameras:
            drawn = camera.zones if kind == "zone" else camera.lines
            if camera.matches(rule.cameras) and name not in drawn:
                problem = _unknown(path, f"{kind} of camera {camera.id}", name, drawn, document)
                yield problem


def _check_models(site: Site, rule: Rule, at: tuple[str | int, ...], document: Document) -> Iterator[SiteProblem]:
    if rule.is_scored and site.models.encoder == NO_MODEL:
        key, what, ways_out = next(kind for kind in _SCORED_KINDS if getattr(rule, kind[0]))
        path = (*at, key)
        yield SiteProblem(document.line(path), dotted(path), f"{what} needs an encoder, and none is set", ways_out)
    if site.models.detector == MOTION_DETECTOR:
        named = rule.object if rule.track is None else rule.track.object
        wanted = [label for label in named if label not in (ANY_OBJECT, "moving")]
        if wanted:
            path = (*at, "object") if rule.track is None else (*at, "track", "object")
            yield SiteProblem(
                document.line(path),
                dotted(path),
                f"the motion detector cannot tell a {wanted[0]} from anything else that moves",
                "write object: any, or set models.detector to builtin, onnx:PATH or a detection model",
            )


def _check_faces(site: Site, document: Document) -> Iterator[SiteProblem]:
    for index, camera in enumerate(site.cameras):
        if camera.blur_faces and site.models.faces == NO_MODEL:
            path = ("cameras", index, "blur_faces")
            yield SiteProblem(
                document.line(path),
                dotted(path),
                "blurring faces needs a model that finds them, and none is set",
                "set models.faces to onnx:PATH",
            )


def _check_settings(site: Site, document: Document) -> Iterator[SiteProblem]:
    try:
        GivenSettings(**site.settings)
    except ValidationError as error:
        for problem in _from_pydantic(error, document, Settings):
            yield SiteProblem(
                document.line(("settings", *problem.where.split("."))) or problem.line,
                f"settings.{problem.where}",
                problem.message,
                problem.hint,
            )
