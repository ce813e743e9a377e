"""A backtest on a site's own incidents: which clips there are, what rules begin with, and what they tell again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from rich.table import Column, Table

from pipeline.app.backtest import Known, Take
from pipeline.app.backtest_history import History
from pipeline.cli.output import counted, local_time
from pipeline.contracts.camera import Camera
from pipeline.contracts.incident import Incident
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError
from pipeline.evaluation.history import Retold, Share, retold
from pipeline.evaluation.recordings import Recording, RuleFigures

RETOLD = ("found right", "false", "not reviewed")
"""What `retold_cells` are."""
RETOLD_LEGEND = (
    "how many of these alerts the rule tells, wherever in the clip; right and false is what people said of them; "
    "95 %, exact"
)
_MOST_PROBLEMS = 5
_BLIND = (
    "clips are kept of alerts alone; what no rule alerted on is not among them, so they tell neither what is missed "
    "over all time nor how many alerts a day there would be"
)


def history_takes(history: History, cameras: Sequence[Camera]) -> Iterator[Take]:
    """The clips of these cameras, oldest first."""
    by_id = {camera.id: camera for camera in cameras}
    for incident in _incidents(history, cameras):
        if incident.clip_uri:
            yield history.take(incident, by_id[incident.camera_id])


def history_notes(history: History, cameras: Sequence[Camera]) -> list[str]:
    """How much of what happened can be read again; `ConfigError` when nothing can."""
    incidents = _incidents(history, cameras)
    num_clips = sum(bool(incident.clip_uri) for incident in incidents)
    whose = ", ".join(camera.id for camera in cameras)
    if not incidents:
        raise ConfigError(f"no incidents of {whose} are kept in that time: see `sightline incidents list`")
    if not num_clips:
        raise ConfigError(f"none of {counted(len(incidents), 'incident')} of {whose} has a clip")
    have = "has" if num_clips == 1 else "have"
    return [f"{num_clips} of {counted(len(incidents), 'incident')} {have} a clip", _BLIND]


def _incidents(history: History, cameras: Sequence[Camera]) -> list[Incident]:
    names = {camera.id for camera in cameras}
    return [incident for incident in history.incidents if incident.camera_id in names]


def known_notes(known: Known, takes: Sequence[Take], zone: tzinfo) -> list[str]:
    """What the rules begin with, a day for all cameras that learned until then."""
    cameras = list(dict.fromkeys(take.camera.id for take in takes))
    latest: dict[str, datetime] = {}
    for one in known.learned:
        latest[one.camera_id] = max(one.updated_at, latest.get(one.camera_id, one.updated_at))
    days: dict[str, list[str]] = defaultdict(list)
    for camera in cameras:
        if camera in latest:
            days[local_time(latest[camera], zone, "%Y-%m-%d")].append(camera)
    notes = [f"thresholds and the normal of {', '.join(days[day])} as learned on {day}" for day in sorted(days)]
    if ignorant := [camera for camera in cameras if camera not in latest]:
        notes.append(f"nothing has been learned of {', '.join(ignorant)}")
    if known.reviewed and any(take.incident for take in takes):
        notes.append("what people said of an alert is not told to the rules while they see its own clip")
    return notes


def outcome_notes(rules: Sequence[Rule], recordings: Sequence[Recording], *, begins_learned: bool) -> Iterator[str]:
    """What became plain on the way: rules that began without a threshold of their own, or that wait too long."""
    clips = [one for one in recordings if one.incident is not None]
    for rule in rules:
        cold = {one.camera_id for one in recordings if rule.id in one.began_fixed}
        if begins_learned and cold:
            cameras = ", ".join(sorted(cold))
            yield f"{rule.id}: no threshold was learned for it as it stands ({cameras}); it began with the fixed one"
        longest = max((one.seconds for one in clips if rule.id in one.rule_ids), default=None)
        if longest is not None and longest < (wait := _wait_seconds(rule)):
            yield f"{rule.id} waits {wait:g} s, longer than any clip ({longest:.0f} s): it can tell of none"


def _wait_seconds(rule: Rule) -> float:
    """How long something must go on until it is told, as far as the site file says it."""
    track = rule.track
    waits = (rule.timing.dwell, *((track.longer_than, track.left_behind) if track else ()))
    return max((wait for wait in waits if wait is not None), default=0.0)


def problem_notes(problems: Sequence[str]) -> list[str]:
    """The clips that could not be read, the first of them with the reason."""
    if not problems:
        return []
    more = f"; and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
    told = "; ".join(problems[:_MOST_PROBLEMS])
    return [f"{counted(len(problems), 'clip')} left out, for it cannot be read: {told}{more}"]


def retold_table(rows: Sequence[tuple[Path, RuleFigures, Sequence[Recording]]], *, has_others: bool) -> Table:
    """A row for each rule of each site file and each rule whose alerts it saw again."""
    table = Table(Column("rule", overflow="fold"), box=None, pad_edge=False)
    for name in (*(["site file"] if has_others else []), "alerts of"):
        table.add_column(name, overflow="fold")
    for name in RETOLD:
        table.add_column(name, justify="right", overflow="fold")
    for path, figures, recordings in rows:
        for one in retold(figures, recordings):
            file = [str(path)] if has_others else []
            table.add_row(figures.rule.id, *file, one.told_by, *retold_cells(one))
    return table


def retold_cells(one: Retold) -> list[str]:
    """`11 of 12 (62–100 %)`; `-` for none."""
    return [_share_text(share) for share in (one.right, one.wrong, one.unreviewed)]


def _share_text(share: Share) -> str:
    interval = share.interval
    if interval is None:
        return "-"
    return f"{share.num_told} of {share.num_read} ({100 * interval.low:.0f}–{100 * interval.high:.0f} %)"


def retold_json(figures: RuleFigures, recordings: Sequence[Recording]) -> dict[str, Mapping[str, Any]]:
    """By the rule that gave the alerts."""
    return {
        one.told_by: {
            "right": _share_json(one.right),
            "wrong": _share_json(one.wrong),
            "not_reviewed": _share_json(one.unreviewed),
        }
        for one in retold(figures, recordings)
    }


def _share_json(share: Share) -> dict[str, Any]:
    interval = share.interval
    return {
        "told": share.num_told,
        "of": share.num_read,
        "interval_95": [interval.low, interval.high] if interval else None,
    }
