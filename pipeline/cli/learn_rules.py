"""`sightline learn-rules`: rules for what would not be normal on a camera, from what is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from pipeline.cli.configuration import JsonOption, settings_for, start_logging
from pipeline.cli.learned_rules import Learnt, entries_of, for_script, read_captions, site_text
from pipeline.cli.output import err, out, say_json, say_warning
from pipeline.cli.times import read_duration, read_moment
from pipeline.errors import ConfigError, InvalidMessage

if TYPE_CHECKING:
    from pipeline.cli.footage import Shown
    from pipeline.contracts.assessment import VisionLanguageModel
    from pipeline.contracts.camera import Camera
    from pipeline.reasoning.induction import Inducer, Sentence
    from pipeline.reasoning.model_induction import ModelInducer
    from pipeline.settings import Settings
    from pipeline.site import Site

_Advance = Callable[[], None]
_MOST_UNUSABLE = 0.5
"""Share of the pictures without an answer, from which on the rest says too little."""


def learn_rules(
    camera: Annotated[str, typer.Option(help="The camera's id.")],
    source: Annotated[str | None, typer.Option(metavar="FILE", help="A recording of normal footage.")] = None,
    captions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sentences: one a line, or .csv with columns time,sentence.")
    ] = None,
    live: Annotated[str | None, typer.Option(metavar="DURATION", help="Look at the camera now, so long.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Kept pictures of false alarms since then.")
    ] = None,
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="With --from: until then.")] = "now",
    frames: Annotated[int, typer.Option(min=3, max=1000, help="Pictures to describe, about.")] = 50,
    batches: Annotated[int, typer.Option(min=1, max=100, help="Stretches of the footage that vote.")] = 5,
    without_model: Annotated[
        bool, typer.Option("--no-model", help="Induce by a lexicon of activities, from --captions.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write them to this new file.", show_default=False)
    ] = None,
    site_path: Annotated[Path, typer.Option("--site", metavar="SITE.YAML", help="The site file.")] = Path("site.yaml"),
    as_json: JsonOption = False,
) -> None:
    """Learn from normal footage of a camera which rules it could have.

    \b
      sightline learn-rules --camera yard --source normal-day.mp4 --site site.yaml
      sightline learn-rules --camera yard --live 30m --output yard-rules.yaml
      sightline learn-rules --camera yard --from "yesterday 08:00" --to "yesterday 18:00"
      sightline learn-rules --camera yard --captions sentences.csv --no-model
    The site's vision-language model describes pictures, says batch by batch what is normal and what would contrast
    with it, and the batches vote. The rules come as entries for the site file, switched off, each with its evidence:
    read them, keep what you want to hear about, and set enabled: true. Nothing in the site file is changed.
    """
    from pipeline.cli.backtest_plan import no_such
    from pipeline.reasoning.induction import induce
    from pipeline.site import NO_MODEL, load_site

    if sum(given is not None for given in (source, captions, live, start)) != 1:
        raise ConfigError("which footage? give one of --source FILE, --live DURATION, --from TIME or --captions FILE")
    if without_model and captions is None:
        raise ConfigError("--no-model cannot describe pictures: give sentences with --captions")
    site = load_site(site_path)
    seen = site.camera(camera)
    if seen is None:
        raise ConfigError(no_such("camera", camera, [one.id for one in site.cameras], site_path))
    if output is not None:
        _check_new(output)
    settings = settings_for(site)
    start_logging(settings.model_copy(update={"log_level": "warning"}), site)
    with _asked_model(site, settings, is_wanted=not without_model) as asked:
        if captions is not None:
            sentences = read_captions(captions)
        else:
            model = _needed(asked, site_path)
            pictures = _pictures(site, settings, seen, (source, live, start, end), frames)
            sentences = _described(model, pictures, frames, camera)
        inducer, by = _inducer(asked)
        with _progress("rules", batches) as advance:
            found = induce(sentences, inducer, batches, advance)
    learnt = Learnt(camera, found, by, tuple(entries_of(found, camera, {rule.id for rule in site.all_rules})))
    _tell(learnt, output, as_json=as_json)
    if learnt.entries and site.models.encoder == NO_MODEL:
        say_warning("rules in words need models.encoder, and this site has none: set one before you copy them")


def _check_new(path: Path) -> None:
    from pipeline.cli.report_file import check_writable

    check_writable(path, "--output")
    if path.exists():
        raise ConfigError(f"--output {path}: it is there already; name a new file, and copy from it what you want")


@contextmanager
def _asked_model(site: Site, settings: Settings, *, is_wanted: bool) -> Iterator[ModelInducer | None]:
    """The site's model, warm; None without one."""
    from pipeline.clock import SystemClock
    from pipeline.reasoning.model import load_model
    from pipeline.reasoning.model_induction import ModelInducer

    key = site.models.vlm_api_key
    model: VisionLanguageModel | None = None
    if is_wanted:
        model = load_model(site.models.vlm, settings.reasoning, api_key=key.get_secret_value() if key else None)
    if model is None:
        yield None
        return
    try:
        model.warm_up()
        yield ModelInducer(model, settings.reasoning, SystemClock())
    finally:
        model.close()


def _needed(asked: ModelInducer | None, path: Path) -> ModelInducer:
    if asked is None:
        raise ConfigError(
            f"{path} has no models.vlm to describe pictures with; set one, or give sentences (--captions)"
        )
    return asked


def _inducer(asked: ModelInducer | None) -> tuple[Inducer, str]:
    """Who proposes, and its name for a person."""
    from pipeline.reasoning.induction import LexicalInducer

    return (LexicalInducer(), "a lexicon of activities, no model") if asked is None else (asked, asked.model_id)


def _pictures(
    site: Site, settings: Settings, camera: Camera, which: tuple[str | None, str | None, str | None, str], number: int
) -> Iterable[Shown]:
    from pipeline.app.stores import open_stores
    from pipeline.cli.footage import of_false_alarms, of_live, of_recording

    source, live, start, end = which
    if source is not None:
        return of_recording(camera, source, site.models.faces, number, settings.ingest)
    if live is not None:
        return of_live(camera, site.models.faces, number, read_duration(live), settings.ingest)
    now, zone = datetime.now(UTC), site.site.zone_info
    span = read_moment(start or "now", now, zone).at, read_moment(end, now, zone).at
    if span[0] >= span[1]:
        raise ConfigError("--from must be before --to")
    stores = open_stores(settings, must_exist=True)
    try:
        return of_false_alarms(stores.incidents, stores.evidence, camera.id, span, number)
    finally:
        stores.close()


def _described(model: ModelInducer, pictures: Iterable[Shown], number: int, camera_id: str) -> list[Sentence]:
    """A sentence a picture; one that the model has no answer to is left out, and told."""
    sentences, unusable = [], []
    with _progress("pictures", number) as advance:
        for frame, where in pictures:
            try:
                sentences.append(model.describe(frame, where))
            except InvalidMessage as error:
                unusable.append(str(error))
            advance()
    if not sentences and not unusable:
        raise ConfigError(
            f"there is no footage of {camera_id} to learn from: no picture in the file, or none kept of a false alarm "
            "in that time (`sightline incidents reject` makes them)"
        )
    if len(unusable) > _MOST_UNUSABLE * (len(sentences) + len(unusable)):
        raise InvalidMessage(f"{len(unusable)} of {len(sentences) + len(unusable)} pictures failed: {unusable[0]}")
    if unusable:
        say_warning(f"{len(unusable)} pictures are left out: {unusable[0]}")
    return sentences


@contextmanager
def _progress(title: str, total: int) -> Iterator[_Advance]:
    """A bar on standard error of a terminal; nothing in a pipe."""
    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(title, total=total)
        yield lambda: bars.advance(task)


def _tell(learnt: Learnt, output: Path | None, *, as_json: bool) -> None:
    text = site_text(learnt)
    if output is not None:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--output {output}: {error.strerror}") from error
    if as_json:
        say_json(for_script(learnt))
    elif output is None:
        out().print(text, end="")
    else:
        out().print(f"{len(learnt.entries)} rules, all switched off, are in {output}")
    for sentence in _remarks(learnt):
        say_warning(sentence)


def _remarks(learnt: Learnt) -> Sequence[str]:
    found = learnt.found
    remarks = []
    if not found.normal:
        remarks.append("no batch agreed with the others on what is normal: the rules contrast with nothing; use more")
    if not learnt.entries and found.contradicted:
        remarks.append("all that would be unusual is normal here: there is no rule to suggest")
    elif not learnt.entries:
        remarks.append("no rule was found")
    return remarks
