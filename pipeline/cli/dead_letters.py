"""`sightline dead-letters list|show|redrive`: records of the bus that no stage could use."""

from __future__ import annotations

import json
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.configuration import JsonOption, SiteOption, settings_for, start_logging
from pipeline.cli.output import EXIT_FAILED, counted, err, local_time, out, plain, say_json, say_warning
from pipeline.cli.times import read_moment
from pipeline.errors import ConfigError
from pipeline.site import load_site

if TYPE_CHECKING:
    from pipeline.transport.kafka import KafkaBus
    from pipeline.transport.redrive import DeadLetter, Redriven

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Records of the Kafka bus that no stage could use: look at them, send them again.",
    epilog="Messages to receivers that were given up are another matter: see `sightline replay-dead-letters`.",
)

LetterArgument = Annotated[str, typer.Argument(metavar="ID", help="A letter's id, such as 0:17.")]
_MOST_SHOWN_CHARACTERS = 4_000


@app.command("list")
def list_letters(
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Set aside then or later: 22:14 …")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that were sent again since, too.")] = False,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the records that were set aside, oldest first.

    \b
      sightline dead-letters list --site site.yaml
      sightline dead-letters list --since "2 hours ago" --json | jq -r '.[].id'
    """
    bus, zone = _bus(site)
    from pipeline.transport.redrive import BEGINNING, list_dead_letters

    start = read_moment(since, datetime.now(UTC), zone).at if since else BEGINNING
    letters = [letter for letter in list_dead_letters(bus, start) if everything or not letter.is_settled]
    if as_json:
        say_json([letter.for_script() for letter in letters])
    else:
        out().print("\n".join(_line(letter, zone) for letter in letters) or "no dead letters")


@app.command()
def show(
    letter_id: LetterArgument,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the record's value: a frame's JPEG.")] = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one record that was set aside: why, by whom, where it came from, what it says.

    \b
      sightline dead-letters show 0:17 --save frame.jpg --site site.yaml
    """
    bus, zone = _bus(site)
    from pipeline.transport.redrive import find_dead_letter

    letter = find_dead_letter(bus, letter_id)
    if save is not None:
        _write(save, letter.value)
    if as_json:
        say_json(letter.for_script())
    else:
        out().print("\n".join(_lines(letter, zone)))


@app.command()
def redrive(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="The letters to send again.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were not sent again yet.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send records again to the topic they came from, once what was wrong is put right.

    Each is sent as it was, at least once. One that fails again comes back, and says how many times it was sent.

    \b
      sightline dead-letters redrive 0:17 0:18 --site site.yaml
      sightline dead-letters redrive --all --dry-run --site site.yaml
    """
    if bool(ids) == everything:
        raise ConfigError("say which: ids, as `sightline dead-letters list` shows them, or --all")
    bus, _ = _bus(site)
    from pipeline.transport.redrive import Redriven, chosen, list_dead_letters, problem_of

    wanted = chosen(list_dead_letters(bus), ids)
    sent = [Redriven(letter, problem_of(letter)) for letter in wanted] if dry_run else _send(bus, wanted)
    _say_sent(sent, "would be sent again" if dry_run else "sent again", as_json=as_json)


def _send(bus: KafkaBus, letters: list[DeadLetter]) -> list[Redriven]:
    from pipeline.transport.redrive import redrive as sending

    publisher = bus.publisher()
    sent = []
    try:
        with err().status(f"0 of {len(letters)} sent") as progress:
            for one in sending(bus, publisher, letters):
                sent.append(one)
                progress.update(f"{len(sent)} of {len(letters)} sent")
    finally:
        publisher.close()
    return sent


def _say_sent(sent: list[Redriven], what: str, *, as_json: bool) -> None:
    refused = [one for one in sent if one.problem]
    if as_json:
        say_json([{"id": one.letter.id, "problem": one.problem} for one in sent])
    else:
        for one in refused:
            say_warning(f"{one.letter.id} cannot be sent again: {one.problem}")
        out().print(f"{counted(len(sent) - len(refused), 'record')} {what}")
    if refused:
        raise typer.Exit(EXIT_FAILED)


def _bus(site_path: Path | None) -> tuple[KafkaBus, tzinfo]:
    """The broker of the settings, and the time zone to tell times in (UTC without a site file)."""
    from pipeline.transport.kafka import KafkaBus

    site = load_site(site_path) if site_path else None
    settings = settings_for(site)
    start_logging(settings.model_copy(update={"log_level": "error"}), site)
    return KafkaBus(settings.bus, "dead-letters"), site.site.zone_info if site else UTC


def _write(path: Path, value: bytes) -> None:
    try:
        path.write_bytes(value)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def _line(letter: DeadLetter, zone: tzinfo) -> str:
    notes = [f"{letter.num_bytes} bytes"]
    notes += [f"sent again {counted(letter.redriven, 'time')} before"] if letter.redriven else []
    notes += [f"{letter.left_out} more like it before"] if letter.left_out else []
    notes += ["sent again since"] if letter.is_settled else []
    where = f"{letter.topic or '?'} {letter.key}"
    return plain(
        f"{letter.id:<6}  {local_time(letter.at, zone)}  {letter.stage}  {where}: {letter.reason}  ({', '.join(notes)})"
    )


def _lines(letter: DeadLetter, zone: tzinfo) -> list[str]:
    told = {
        "set aside": f"{local_time(letter.at, zone)} by {letter.stage or '?'}",
        "because": letter.reason or "?",
        "came from": f"{letter.topic or '?'}, partition and offset {letter.origin}, published {letter.published_at}",
        "key": letter.key,
        "sent again before": str(letter.redriven),
        "more like it before": str(letter.left_out),
        "not whole": letter.cut,
        "value": _value_in_words(letter),
    }
    lines = [f"{name:<20}{text}" for name, text in told.items() if text]
    lines += [f"header {name}: {text}" for name, text in sorted(letter.headers.items())]
    return [plain(line) for line in lines]


def _value_in_words(letter: DeadLetter) -> str:
    """JSON as it is, anything else by its size."""
    try:
        return json.dumps(json.loads(letter.value), ensure_ascii=False)[:_MOST_SHOWN_CHARACTERS]
    except ValueError:
        return f"{letter.num_bytes} bytes (--save FILE writes them)"
