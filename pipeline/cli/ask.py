"""`sightline ask`: a question in plain words about what was kept, answered with its evidence."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption
from pipeline.cli.output import err, headline, local_time, out, plain, say_error, say_json
from pipeline.errors import ConfigError, SightlineError

if TYPE_CHECKING:
    from pipeline.search.archive import Archive
    from pipeline.search.ask import Call, Dialogue, Reply
    from pipeline.search.citations import Citation

_ENDS = frozenset({"exit", "quit", "bye"})


def ask(
    question: Annotated[str | None, typer.Argument(help="What you want to know; without it, a prompt.")] = None,
    steps: Annotated[int, typer.Option(min=1, max=32, help="Turns of the model at most, the answer among them.")] = 8,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question about what was seen.

    The site's model (models.vlm) looks things up; what it cites is checked, and when a camera was not watched in the
    time you ask about, Sightline says so itself. Without a question you are asked for one, again and again.

    \b
      sightline ask "who left the bag at the gate this morning?" --site site.yaml
      sightline ask --site site.yaml
      sightline ask "how many cars came yesterday?" --site site.yaml --json
    """
    from pipeline.app.ask import load_chat
    from pipeline.cli.asking import opened_archive
    from pipeline.search.ask import Dialogue, Limits
    from pipeline.search.toolbox import Toolbox

    if question is not None and not question.strip():
        raise ConfigError("expected a question, got an empty one")
    with opened_archive(data_dir, site) as opened:
        model = load_chat(opened.site, opened.settings)
        try:
            dialogue = Dialogue(model, Toolbox(opened.archive), opened.archive, Limits(steps=steps), _progress)
            if question is not None:
                _tell(dialogue, opened.archive, question, as_json=as_json)
            else:
                _converse(dialogue, opened.archive, _typed(), as_json=as_json)
        finally:
            model.close()


def _converse(dialogue: Dialogue, archive: Archive, questions: Iterable[str], *, as_json: bool) -> None:
    """One answer a question; one that fails does not end the conversation."""
    for question in questions:
        try:
            _tell(dialogue, archive, question, as_json=as_json)
        except SightlineError as error:
            say_error(str(error))


def _typed() -> Iterator[str]:
    """Questions from standard input, until its end, `exit` or an interrupt."""
    while True:
        if sys.stdin.isatty():
            err().print("? ", end="")
        line = sys.stdin.readline()
        if not line or line.strip().lower() in _ENDS:
            return
        if line.strip():
            yield line


def _progress(call: Call) -> None:
    """What is looked up, while it is."""
    err().print(plain(f"  {call.name} {call.arguments}: {call.found}"), style="dim")


def _tell(dialogue: Dialogue, archive: Archive, question: str, *, as_json: bool) -> None:
    reply = dialogue.ask(question)
    if as_json:
        say_json(_for_script(dialogue, archive, question, reply))
        return
    console = out()
    console.print(plain(reply.text))
    for sentence in reply.unwatched:
        console.print(plain(f"Note: {sentence}."))
    if reply.citations:
        console.print()
    for citation in reply.citations:
        console.print(plain(_source(dialogue, archive, citation)), style="dim")
    if reply.note:
        err().print(plain(f"note: {reply.note}"))


def _source(dialogue: Dialogue, archive: Archive, citation: Citation) -> str:
    """`[3f2a91c0#2] 2026-03-01 22:14:05 yard, loitering: … /data/evidence/…/2.jpg`."""
    from pipeline.search.found import cite, numbered_frames

    incident = dialogue.incident(citation.incident_id)
    name = cite(incident, citation.frame)
    if citation.frame is None:
        what = f"{incident.camera_id}, {incident.rule_id}: {headline(incident)} ({incident.status.value})"
        return f"{name} {local_time(incident.opened_at, archive.zone)} {what}"
    key = numbered_frames(incident)[citation.frame]
    place = archive.evidence.locate(key.uri) if key.uri else "(not kept)"
    return f"{name} {local_time(key.captured_at, archive.zone)} {incident.camera_id} {place}"


def _for_script(dialogue: Dialogue, archive: Archive, question: str, reply: Reply) -> dict[str, Any]:
    return {
        "question": question.strip(),
        "answer": reply.text,
        "unwatched": list(reply.unwatched),
        "citations": [
            {"incident": each.incident_id, "frame": each.frame, "source": _source(dialogue, archive, each)}
            for each in reply.citations
        ],
        "citations_removed": list(reply.removed),
        "calls": [
            {"tool": call.name, "arguments": call.arguments, "found": call.found, "refused": call.is_error}
            for call in reply.calls
        ],
        "steps": reply.steps,
        "note": reply.note,
    }
