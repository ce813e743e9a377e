"""`sightline incidents replay`: a kept incident judged again, beside the verdict it had.

What is kept is enough to ask again: the pictures, in the order in which they were sent, what was measured, and the
versions of model, rule, prompt and context. The prompt's own words are not kept, only their fingerprint; rule, zones
and policy are the site file's of today. So whatever has changed since is said first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data, settings_for
from pipeline.cli.incidents import IncidentArgument, find_incident
from pipeline.cli.output import headline, out, plain, say_json
from pipeline.cli.report_words import assessment_lines
from pipeline.clock import Clock, SystemClock
from pipeline.contracts.assessment import Assessment, VerificationRequest, VisionLanguageModel
from pipeline.contracts.candidate import KeyFrame
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.incident import Incident
from pipeline.errors import ConfigError, SightlineError
from pipeline.settings import ReasoningSettings
from pipeline.site import Site, load_site

if TYPE_CHECKING:
    from pipeline.app.stores import Stores

ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="SPEC", help="Another model, as in `models.vlm`; the site's by default."),
]
SaveOption = Annotated[
    Path | None, typer.Option("--save", metavar="FILE", help="Keep both as JSON; the incident itself stays as it is.")
]


@dataclass(frozen=True, slots=True)
class Replay:
    """An incident judged twice."""

    incident: Incident
    now: Assessment
    rule_version: str
    """Of the rule in the site file."""
    missing: tuple[int, ...]
    """Sequences of pictures that were sent then and are no longer kept."""

    @property
    def versions(self) -> dict[str, tuple[str, str]]:
        """What the verdict rests on: then, now."""
        then = self.incident.assessment
        return {
            "model": (then.model_id if then else "", self.now.model_id),
            "rule version": (self.incident.candidate.rule_version, self.rule_version),
            "prompt version": (then.prompt_version if then else "", self.now.prompt_version),
            "context version": (then.context_version if then else "", self.now.context_version),
            "pictures": (_numbers(then.frames_sent if then else ()), _numbers(self.now.frames_sent)),
        }

    @property
    def changed(self) -> list[str]:
        """Which of these are not as they were."""
        return [name for name, (then, now) in self.versions.items() if then != now]


def replay(
    incident_id: IncidentArgument,
    model: ModelOption = None,
    save: SaveOption = None,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a kept incident again, and show both verdicts side by side.

    The same pictures are shown to the model that the site names now, or to another one; nothing is told to anybody, and
    the incident keeps the verdict it has. What has changed since (model, rule, prompt, context, pictures) is listed.

    \b
      sightline incidents replay 3f2a --site site.yaml
      sightline incidents replay 3f2a --site site.yaml --model openai:http://gpu:8000/v1#Qwen/Qwen3-VL-32B-Instruct
    """
    if site is None:
        raise ConfigError("replay needs --site SITE.YAML: the rule and the model stand there")
    known = load_site(site)
    settings = settings_for(known, data_dir=data_dir).reasoning
    with kept_data(data_dir, site) as (stores, _):
        replayed = _judge_again(stores, find_incident(stores, incident_id), known, settings, model)
    if save is not None:
        _write(save, replayed)
    if as_json:
        say_json(_for_script(replayed))
    else:
        _show(replayed)


def _judge_again(
    stores: Stores, incident: Incident, site: Site, settings: ReasoningSettings, spec: str | None
) -> Replay:
    from pipeline.events.watch import rule_version
    from pipeline.reasoning.reasoner import VlmReasoner

    clock = SystemClock()
    request, missing = _request(stores, incident, site, clock)
    judge = _load(site, settings, spec)
    as_many = settings.model_copy(update={"max_frames": max(len(request.frames), settings.max_frames)})
    reasoner = VlmReasoner(judge, as_many, clock)
    try:
        reasoner.warm_up()
        now = reasoner.assess(request)
    finally:
        reasoner.close()
    return Replay(incident, now, rule_version(request.rule), missing)


def _load(site: Site, settings: ReasoningSettings, spec: str | None) -> VisionLanguageModel:
    from pipeline.reasoning.model import load_judge, load_model

    key = site.models.vlm_api_key
    secret = key.get_secret_value() if key else None
    judge = load_model(spec, settings, api_key=secret) if spec else load_judge(site.models, settings)
    if judge is None:
        raise ConfigError("no model judges: name one in the site file (models.vlm) or with --model")
    return judge


def _request(
    stores: Stores, incident: Incident, site: Site, clock: Clock
) -> tuple[VerificationRequest, tuple[int, ...]]:
    """The question as the verifier would put it today, of the pictures that were sent then; and those now missing."""
    from pipeline.runtime.context import ContextBook

    rule, camera = site.rule(incident.rule_id), site.camera(incident.camera_id)
    if incident.candidate.condition is not None:
        raise ConfigError(f"{incident.id} is about the camera itself, which is measured and not judged")
    if rule is None or camera is None:
        raise ConfigError(
            f"the site file has no rule {incident.rule_id!r} or no camera {incident.camera_id!r} any more"
        )
    sent = incident.assessment.frames_sent if incident.assessment else ()
    wanted = [key for key in incident.candidate.key_frames if not sent or key.sequence in sent]
    frames = {key.sequence: frame for key in wanted if (frame := _picture(stores, incident, key)) is not None}
    request = ContextBook(stores.incidents, site, clock).request(incident, rule, camera, list(frames.values()))
    needed = sent or [key.sequence for key in wanted]
    return request, tuple(sequence for sequence in needed if sequence not in frames)


def _picture(stores: Stores, incident: Incident, key: KeyFrame) -> EncodedFrame | None:
    """None when it was never kept, or is no longer."""
    if not key.uri:
        return None
    try:
        jpeg = stores.evidence.get(key.uri)
    except SightlineError:
        return None
    width, height = incident.candidate.picture_size
    return EncodedFrame(incident.camera_id, key.sequence, key.captured_at, 0.0, width, height, jpeg)


def _show(replayed: Replay) -> None:
    console, then = out(), replayed.incident.assessment
    console.print(plain(f"{headline(replayed.incident)}  [{replayed.incident.id}]"), style="bold")
    console.print(plain(_comparability(replayed)))
    table = Table(box=None, pad_edge=False)
    for name in ("", "then", "now"):
        table.add_column(name, overflow="fold")
    for name, pair in replayed.versions.items():
        table.add_row(name, *(plain(version or "-") for version in pair))
    table.add_row("verdict", *map(plain, (_lines(then), _lines(replayed.now))))
    console.print(table)


def _lines(assessment: Assessment | None) -> str:
    return "\n".join(assessment_lines(assessment)) if assessment else "nobody was asked"


def _comparability(replayed: Replay) -> str:
    """What a difference between the two verdicts may come from."""
    changed = replayed.changed
    if replayed.incident.assessment is None:
        return "It had no verdict to compare with."
    if not changed:
        return "The same model was asked in the same words about the same pictures."
    missing = f" ({len(replayed.missing)} no longer kept)" if replayed.missing else ""
    return f"Changed since: {', '.join(changed)}{missing}."


def _numbers(sequences: Sequence[int]) -> str:
    return ", ".join(map(str, sequences))


def _for_script(replayed: Replay) -> dict[str, Any]:
    then = replayed.incident.assessment
    return {
        "incident": replayed.incident.id,
        "changed": replayed.changed,
        "versions": {name: {"then": pair[0], "now": pair[1]} for name, pair in replayed.versions.items()},
        "missing_pictures": list(replayed.missing),
        "then": then.model_dump(mode="json") if then else None,
        "now": replayed.now.model_dump(mode="json"),
    }


def _write(path: Path, replayed: Replay) -> None:
    try:
        path.write_text(json.dumps(_for_script(replayed), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error
