"""`sightline erase`: remove what is kept of a camera in a while, and print a receipt of what went and what remains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import wait
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, settings_for, start_logging
from pipeline.cli.coverage import read_range
from pipeline.cli.output import counted, local_time, out, plain, say_json, say_warning
from pipeline.contracts.learned import LearnedKind
from pipeline.errors import ConfigError, SightlineError
from pipeline.settings import Settings
from pipeline.site import Site, load_site

if TYPE_CHECKING:
    from pipeline.app.stores import Stores
    from pipeline.store.erasure import Erased, Receipt, Remains

_TOMBSTONE_SECONDS = 30.0
_KINDS = {
    "picture": ("picture", "evidence"),
    "clip": ("clip", "evidence"),
    "incident": ("incident", "database"),
    "assessment": ("assessment by a model", "database"),
    "embedding": ("embedding or appearance of what was seen", "database"),
    "change": ("change of incidents, with texts", "database"),
    "delivery": ("delivery", "database"),
    "detail": ("detail of decisions and coverage", "database"),
    "moment": ("moment that search finds by its look", "vectors"),
}
"""Of what the stores erase: the words on a receipt, and where it was."""


def erase(
    camera: Annotated[str | None, typer.Option(help="The camera's id.", show_default=False)] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="22:14, 2 hours ago, ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Until then.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Show the receipts of earlier erasures instead.")] = False,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase pictures, clips, incidents and texts of a camera in a while.

    An incident that overlaps the range is erased whole. Counts without text stay. The receipt says what could not be
    reached and when that is gone by itself; it is kept, without what was erased. To erase twice is no error.

    \b
      sightline erase --camera gate --from "2026-03-01 22:00" --to "2026-03-01 22:30" --site site.yaml
      sightline erase --list --site site.yaml
    """
    from pipeline.app.stores import open_stores

    known = load_site(site) if site else None
    settings = settings_for(known, data_dir=data_dir)
    start_logging(settings.model_copy(update={"log_level": "warning"}), known)
    zone: tzinfo = known.site.zone_info if known else UTC
    stores = open_stores(settings, must_exist=True)
    try:
        if show:
            _say(stores.eraser.receipts(), zone, as_json=as_json)
            return
        wanted = _wanted(camera, since, until, zone, known)
        if not yes:
            _ask(*wanted, zone)
        receipt = _erase(stores, settings, *wanted)
        if as_json:
            say_json(receipt.model_dump(mode="json"))
        else:
            _say([receipt], zone, as_json=False)
    finally:
        stores.close()


def _wanted(
    camera: str | None, since: str | None, until: str | None, zone: tzinfo, site: Site | None
) -> tuple[str, datetime, datetime]:
    if camera is None or since is None or until is None:
        raise ConfigError("say what to erase: --camera, --from and --to; or --list for earlier receipts")
    if site is not None and site.camera(camera) is None:
        say_warning(f"the site file has no camera {camera}; erasing what is kept under that name")
    return camera, *read_range(since, until, datetime.now(UTC), zone)


def _ask(camera_id: str, start: datetime, end: datetime, zone: tzinfo) -> None:
    span = f"{local_time(start, zone)} to {local_time(end, zone)}"
    typer.confirm(f"Erase all pictures, incidents and texts of {camera_id}, {span}, for good?", abort=True, err=True)


def _erase(stores: Stores, settings: Settings, camera_id: str, start: datetime, end: datetime) -> Receipt:
    from pipeline.store.erasure import Erased, Receipt, Remains, new_receipt_id

    # On the bus first, for once the rows are gone nobody knows the ids any more; and again, for a relay may have had
    # news of them in hand.
    _erase_on_bus(settings, [incident.id for incident in stores.eraser.overlapping(camera_id, start, end)])
    done = stores.eraser.erase(camera_id, start, end)
    on_bus, not_on_bus = _erase_on_bus(settings, done.incident_ids)
    num_by_kind = Counter(done.num_by_kind)
    erased = [Erased(kind=words, number=num_by_kind[kind], place=place) for kind, (words, place) in _KINDS.items()]
    if settings.bus.servers:
        erased.append(Erased(kind="incident", number=on_bus, place=f"topic {settings.bus.prefix}.incidents"))
    now = datetime.now(UTC)
    remains = [*not_on_bus, *_remains_learned(stores, camera_id), *_remains(stores, settings, now)]
    receipt = Receipt(
        id=new_receipt_id(),
        camera_id=camera_id,
        start=start,
        end=end,
        erased_at=now,
        erased=tuple(erased),
        remains=tuple(Remains(what=what, until=until) for what, until in remains),
    )
    stores.eraser.keep(receipt)
    return receipt


def _erase_on_bus(settings: Settings, ids: Sequence[str]) -> tuple[int, list[tuple[str, str]]]:
    """How many incidents were erased on the compacted topic, and what of that failed."""
    if not settings.bus.servers or not ids:
        return 0, []
    from pipeline.contracts.bus import Topic
    from pipeline.transport.kafka import KafkaBus

    publisher = KafkaBus(settings.bus, "erase").publisher()
    try:
        asked = [publisher.erase(Topic.INCIDENTS, incident_id) for incident_id in ids]
        wait(asked, _TOMBSTONE_SECONDS)
        failed = [future for future in asked if not future.done() or future.exception() is not None]
    except SightlineError as error:
        say_warning(f"the bus cannot be reached: {error}")
        asked, failed = [], []
    finally:
        publisher.close()
    num_erased = len(asked) - len(failed)
    if num_erased == len(ids):
        return num_erased, []
    what = f"{counted(len(ids) - num_erased, 'incident')} on the topic {settings.bus.prefix}.incidents"
    return num_erased, [(what, "the broker did not take it: for ever, unless deleted there by key: " + " ".join(ids))]


def _remains(stores: Stores, settings: Settings, now: datetime) -> list[tuple[str, str]]:
    """What no command can reach, and when it is gone by itself."""
    ring = timedelta(seconds=settings.sampling.ring_for)
    remains = [
        (
            "the last pictures in the memory of a running process, a clip or a delivery it has in hand, and an "
            "incident that is still open there, which comes back with its next change",
            f"pictures: {now + ring:%Y-%m-%d %H:%M:%S}Z; for the rest, erase again once the incident is over",
        ),
        ("messages that receivers have got, and backups of database and evidence", "as their owners decide"),
    ]
    if not stores.database.is_sqlite:
        remains.append(("deleted rows in PostgreSQL's files and log", "the next vacuum, and as its log is kept"))
    return remains + (_remains_on_bus(settings, now) if settings.bus.servers else [])


def _remains_learned(stores: Stores, camera_id: str) -> list[tuple[str, str]]:
    known = {one.kind for one in stores.learned.load(camera_id) if one.camera_id == camera_id}
    if LearnedKind.NORMAL not in known:
        return []
    what = "what the camera normally sees, learned from all its days: vectors, no pictures"
    return [(what, f"`sightline learned forget --camera {camera_id}`")]


def _remains_on_bus(settings: Settings, now: datetime) -> list[tuple[str, str]]:
    prefix = settings.bus.prefix
    size = f"{settings.bus.frames_retention_bytes / 1e9:g} GB"
    return [
        (
            f"pictures on the topic {prefix}.frames: Kafka cannot delete by camera",
            f"{size} of newer frames have come in their partition, or the broker's log.retention (by default 7 days)",
        ),
        (f"candidates on the topic {prefix}.candidates", f"{now + timedelta(days=7):%Y-%m-%d} at the latest"),
        (f"records set aside on {prefix}.dead-letters", f"{now + timedelta(days=30):%Y-%m-%d} at the latest"),
        (f"older versions on {prefix}.incidents", "the broker's next compaction of the topic"),
    ]


def _say(receipts: Sequence[Receipt], zone: tzinfo, *, as_json: bool) -> None:
    if as_json:
        say_json([receipt.model_dump(mode="json") for receipt in receipts])
        return
    if not receipts:
        out().print("nothing was erased yet")
    for receipt in receipts:
        out().print("\n".join(plain(line) for line in _lines(receipt, zone)))


def _lines(receipt: Receipt, zone: tzinfo) -> list[str]:
    span = f"{local_time(receipt.start, zone)} to {local_time(receipt.end, zone)}"
    return [
        f"receipt {receipt.id}: {receipt.camera_id}, {span}; erased {local_time(receipt.erased_at, zone)}",
        *(_erased_line(erased) for erased in receipt.erased),
        *(_remains_line(remains) for remains in receipt.remains),
    ]


def _erased_line(erased: Erased) -> str:
    return f"  erased   {erased.number:>6}  {erased.kind} ({erased.place})"


def _remains_line(remains: Remains) -> str:
    return f"  remains  {remains.what}; until: {remains.until}"
