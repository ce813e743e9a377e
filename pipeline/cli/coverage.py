"""`sightline coverage`: when was each camera, or a rule on it, really being watched?"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.configuration import DataDirOption, JsonOption, SiteOption, kept_data
from pipeline.cli.output import counted, err, local_time, out, plain, say_json
from pipeline.cli.times import read_duration, read_moment
from pipeline.errors import ConfigError
from pipeline.site import load_site
from pipeline.store.gaps import Account, Stretch, accounts, watched_seconds

if TYPE_CHECKING:
    from pipeline.app.stores import Stores

_MOST_TOLD = 5
"""Gaps in one message; `sightline coverage` tells them all."""


def coverage(
    camera: Annotated[list[str] | None, typer.Option(help="Only of this camera; may be repeated.")] = None,
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="22:14, 2 hours ago, ISO 8601.")] = "1 day ago",
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="Until then.")] = "now",
    gaps_above: Annotated[str, typer.Option(metavar="DURATION", help="Show only gaps longer than this.")] = "0s",
    save: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the gaps as a table.")] = None,
    data_dir: DataDirOption = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell when each camera was watched, and when it was not, and why.

    A rule that is off by its schedule is not blind. The last half minute counts once it is known.

    \b
      sightline coverage --site site.yaml
      sightline coverage --camera gate --from "yesterday 22:00" --to 06:00 --gaps-above 5s --site site.yaml
      sightline coverage --from 2026-03-01 --to 2026-04-01 --csv march.csv --site site.yaml
    """
    shortest_seconds = read_duration(gaps_above)
    now = datetime.now(UTC)
    with kept_data(data_dir, site) as (stores, zone):
        start, end = read_range(since, until, now, zone)
        told = accounts(stores.coverage, _cameras(stores, camera, site), start, end, now)
        if save is not None:
            _write(save, told, shortest_seconds, zone)
        if as_json:
            say_json(_for_script(told, start, end, shortest_seconds))
        else:
            _show(told, start, end, shortest_seconds, zone)


def read_range(since: str, until: str, now: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """[from, to) as typed; `ConfigError` when it is empty or says nothing."""
    moments = read_moment(since, now, zone), read_moment(until, now, zone)
    for moment in moments:
        if moment.note:
            err().print(f"note: {moment.note}")
    start, end = (moment.at for moment in moments)
    if start >= end:
        raise ConfigError(f"--from ({start:%Y-%m-%d %H:%M:%S}Z) must be before --to ({end:%Y-%m-%d %H:%M:%S}Z)")
    return start, end


def unwatched(
    stores: Stores, cameras: Sequence[str] | None, start: datetime | None, end: datetime | None, zone: tzinfo
) -> list[str]:
    """Sentences on when these cameras (all that are known, for None) were not watched; from the first record on
    when no start is given."""
    now = datetime.now(UTC)
    since = stores.coverage.known_since(cameras)
    names = sorted({camera_id for camera_id, _ in since} if cameras is None else cameras)
    sentences = []
    for name in names:
        known = min((at for (camera_id, _), at in since.items() if camera_id == name), default=None)
        begin = start or known
        if begin is None:
            sentences.append(f"{name} was never watched")
            continue
        (account,) = accounts(stores.coverage, [name], begin, end or now, now)
        sentences += [f"{name} was not watched {gaps}"] if (gaps := gaps_in_words(account.blind, zone)) else []
    return sentences


def gaps_in_words(blind: Sequence[Stretch], zone: tzinfo) -> str:
    """`02:10:04–02:14:31: offline (no answer within 10 s)`, the longest few of them, in order of time."""
    longest = sorted(sorted(blind, key=lambda gap: -gap.seconds)[:_MOST_TOLD], key=lambda gap: gap.start)
    words = "; ".join(_gap_in_words(gap, zone) for gap in longest)
    num_more = len(blind) - len(longest)
    return f"{words}; and {counted(num_more, 'shorter gap')}: see `sightline coverage`" if num_more else words


def _gap_in_words(gap: Stretch, zone: tzinfo) -> str:
    is_one_day = gap.start.astimezone(zone).date() == gap.end.astimezone(zone).date()
    is_today = is_one_day and gap.start.astimezone(zone).date() == datetime.now(zone).date()
    form = "%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S"
    last = local_time(gap.end, zone, "%H:%M:%S" if is_one_day else form)
    detail = f" ({plain(gap.detail)})" if gap.detail else ""
    return f"{local_time(gap.start, zone, form)}\N{EN DASH}{last}: {gap.reason}{detail}"


def _cameras(stores: Stores, wanted: list[str] | None, site_path: Path | None) -> list[str]:
    """Those asked for; else the site's and all that anybody ever told of."""
    if wanted:
        return list(dict.fromkeys(wanted))
    of_site = [camera.id for camera in load_site(site_path).cameras] if site_path else []
    return sorted({*of_site, *(camera_id for camera_id, _ in stores.coverage.known_since())})


def _gaps(found: Sequence[Stretch], shortest_seconds: float) -> list[Stretch]:
    return [stretch for stretch in found if stretch.is_blind and stretch.seconds > shortest_seconds]


def _parts(account: Account, shortest_seconds: float) -> Iterator[tuple[str, float, float, list[Stretch]]]:
    """(rule id or "", seconds, seconds watched, gaps) of the camera, and of the rules that fared otherwise."""
    for rule_id, found in {"": account.stretches, **account.rules}.items():
        yield rule_id, sum(s.seconds for s in found), watched_seconds(found), _gaps(found, shortest_seconds)


def _share(watched: float, seconds: float) -> float:
    return watched / seconds if seconds else 0.0


def _for_script(told: Sequence[Account], start: datetime, end: datetime, shortest_seconds: float) -> dict[str, Any]:
    cameras = []
    for account in told:
        first, *rules = (_part_for_script(part) for part in _parts(account, shortest_seconds))
        never = {"never_watched": account.known_since is None}
        cameras.append({"camera": account.camera_id, **first, **never, "rules": {r.pop("rule"): r for r in rules}})
        cameras[-1].pop("rule")
    seconds, watched = (sum(camera[name] for camera in cameras) for name in ("seconds", "watched_seconds"))
    total = {"seconds": seconds, "watched_seconds": watched, "share": _share(watched, seconds)}
    return {"start": start.isoformat(), "end": end.isoformat(), "total": total, "cameras": cameras}


def _part_for_script(part: tuple[str, float, float, list[Stretch]]) -> dict[str, Any]:
    rule_id, seconds, watched, gaps = part
    return {
        "rule": rule_id,
        "seconds": seconds,
        "watched_seconds": watched,
        "share": _share(watched, seconds),
        "gaps": gaps_for_script(gaps),
    }


def gaps_for_script(gaps: Sequence[Stretch]) -> list[dict[str, Any]]:
    """Gaps as JSON."""
    return [
        {
            "start": gap.start.isoformat(),
            "end": gap.end.isoformat(),
            "seconds": gap.seconds,
            "reason": gap.reason,
            "detail": gap.detail,
        }
        for gap in gaps
    ]


def _show(told: Sequence[Account], start: datetime, end: datetime, shortest_seconds: float, zone: tzinfo) -> None:
    console = out()
    console.print(f"{local_time(start, zone)} to {local_time(end, zone)}", style="bold")
    if not told:
        console.print("nothing is known of any camera; name them with --site or --camera")
    rows = Table("camera", "start", "end", "length", "reason", box=None, pad_edge=False)
    seconds, watched = 0.0, 0.0
    for account in told:
        for rule_id, part_seconds, part_watched, gaps in _parts(account, shortest_seconds):
            name = f"{account.camera_id}, {rule_id}" if rule_id else account.camera_id
            console.print(_summary(name, account, part_seconds, part_watched, len(gaps)))
            if not rule_id:
                seconds, watched = seconds + part_seconds, watched + part_watched
            for gap in gaps:
                rows.add_row(name, local_time(gap.start, zone), local_time(gap.end, zone), *_rest(gap))
    if len(told) > 1:
        console.print(f"together: watched {_share(watched, seconds):.2%} of {_length(seconds)}", style="bold")
    if rows.row_count:
        console.print()
        console.print(rows)


def _summary(name: str, account: Account, seconds: float, watched: float, num_gaps: int) -> str:
    if account.known_since is None:
        return f"{name}: not running: never watched"
    return f"{name}: watched {_share(watched, seconds):.2%} of {_length(seconds)}, {counted(num_gaps, 'gap')}"


def _rest(gap: Stretch) -> tuple[str, Text]:
    return _length(gap.seconds), Text(plain(f"{gap.reason} ({gap.detail})" if gap.detail else gap.reason))


def _length(seconds: float) -> str:
    """`4m27.0s`, `1h00m00s`."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m{rest:02}s" if hours else f"{minutes}m{rest:02}s"


def _write(path: Path, told: Sequence[Account], shortest_seconds: float, zone: tzinfo) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("camera", "rule", "start", "end", "seconds", "reason", "detail"))
            for account in told:
                for rule_id, _, _, gaps in _parts(account, shortest_seconds):
                    for gap in gaps:
                        times = gap.start.astimezone(zone).isoformat(), gap.end.astimezone(zone).isoformat()
                        row = account.camera_id, rule_id, *times, f"{gap.seconds:.3f}", gap.reason, gap.detail
                        table.writerow(row)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
