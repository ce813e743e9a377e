"""Incidents: listed, told in full, and the things in them counted."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pipeline.contracts.candidate import KeyFrame
from pipeline.contracts.incident import Incident, IncidentFilter, IncidentStatus
from pipeline.contracts.rule import Rule
from pipeline.search.archive import Archive
from pipeline.search.arguments import CountTracks, GetIncident, SearchEvents
from pipeline.search.found import Asked, Found, cite, cut, find_incident, numbered_frames, row
from pipeline.search.named import asked_while, cameras_named, check_rule, span_json

MOST_READ = 2_000
"""Incidents that one question may read."""
_LONGEST_INCIDENT = timedelta(days=1)
"""An incident opened longer before the time asked for is not looked for among those open then."""
_MOST_FACTS = 8
_SAYING_NOTHING = frozenset(
    {
        "a",
        "an",
        "and",
        "at",
        "by",
        "for",
        "from",
        "in",
        "is",
        "it",
        "of",
        "on",
        "or",
        "that",
        "the",
        "to",
        "was",
        "with",
    }
)
"""Words that stand in nearly every report."""
_MOST_REGIONS = 6
_COUNTS_ONLY = (
    "Counts tracks in the pictures and facts of incidents that were kept, not everything that passed: what met no rule "
    "is not in it. Somebody lost from sight and found again counts twice; track numbers begin anew when a run does."
)


class EventTools:
    """Answers from the incident store."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def search(self, wanted: SearchEvents) -> Found:
        """Incidents, newest first; with words, those that hold the most of them first."""
        archive = self._archive
        asked = asked_while(archive, wanted, cameras_named(archive, wanted.camera))
        status = () if wanted.status == "any" else (IncidentStatus(wanted.status),)
        there = incidents_in(archive, asked, wanted.camera, check_rule(archive, wanted.rule), status)
        found = matching(there, wanted.text)
        rows = [row(incident, archive) for incident in found[: wanted.limit]]
        data: dict[str, Any] = {**span_json(archive, asked.start, asked.end), "found": len(found), "incidents": rows}
        if wanted.text:
            data["without_the_words"] = len(there)
        if len(there) == MOST_READ:
            data["note"] = f"only the newest {MOST_READ} incidents of that time were read: ask for a shorter one"
        return Found(data, _counted(len(found)), tuple(found[: wanted.limit]), (asked,))

    def get(self, wanted: GetIncident) -> Found:
        """Facts, verdict, report and frames of one."""
        incident = find_incident(self._archive.incidents, wanted.id)
        candidate = incident.candidate
        asked = Asked((incident.camera_id,), candidate.started_at, incident.closed_at or self._archive.clock.now())
        linked = [self._archive.incidents.get(link.other_id) for link in self._archive.incidents.links_of(incident.id)]
        others = tuple(other for other in linked[:5] if other is not None)
        data = row(incident, self._archive) | {
            "id": incident.id,
            "facts": [self._fact(fact.at, fact.text) for fact in candidate.facts[:_MOST_FACTS]],
            "verdict": _verdict(incident),
            "frames": [self._frame(incident, number, key) for number, key in numbered_frames(incident).items()],
            "perhaps_the_same_elsewhere": [row(other, self._archive) for other in others],
        }
        return Found(data, f"{incident.camera_id}, {incident.rule_id}", (incident, *others), (asked,))

    def count(self, wanted: CountTracks) -> Found:
        """Different track numbers a camera and label, of kept incidents."""
        archive = self._archive
        asked = asked_while(archive, wanted, cameras_named(archive, wanted.camera))
        rule_id = check_rule(archive, wanted.rule)
        there = [
            incident
            for incident in incidents_in(archive, asked, wanted.camera, rule_id)
            if incident.candidate.condition is None
            and (not wanted.zone or is_about(incident, wanted.zone, archive.rules))
        ]
        tracks: dict[tuple[str, str], set[int]] = defaultdict(set)
        holding = []
        for incident in there:
            named = {(label, track) for label, track in _tracks(incident) if wanted.label.lower() in ("", label)}
            for label, track in named:
                tracks[incident.camera_id, label].add(track)
            holding += [incident] if named else []
        counts = [{"camera": camera, "label": label, "tracks": len(ids)} for (camera, label), ids in tracks.items()]
        total = sum(len(ids) for ids in tracks.values())
        data = {
            **span_json(archive, asked.start, asked.end),
            "tracks": total,
            "by_camera_and_label": counts,
            "in_incidents": [cite(incident) for incident in holding[:20]],
            "num_incidents": len(holding),
            "what_this_counts": _COUNTS_ONLY,
        }
        return Found(data, f"{total} in {_counted(len(holding))}", tuple(holding[:20]), (asked,))

    def _fact(self, at: Any, text: str) -> str:
        return f"{self._archive.local(at)} {cut(text)}"

    def _frame(self, incident: Incident, number: int, key: KeyFrame) -> dict[str, Any]:
        return {
            "cite": cite(incident, number),
            "at": self._archive.local(key.captured_at),
            "seen": seen_in(key),
            "kept": bool(key.uri),
        }


def incidents_in(
    archive: Archive,
    asked: Asked,
    camera: str,
    rule_id: str | None,
    statuses: tuple[IncidentStatus, ...] = (),
    camera_ids: tuple[str, ...] | None = None,
) -> list[Incident]:
    """Those that opened in that while or were open then, newest first, at most 2,000.

    `camera_ids`: only of these, where no single camera is named; None for every one.
    """
    wanted = IncidentFilter(
        camera_id=camera or None,
        rule_id=rule_id,
        statuses=statuses,
        opened_from=asked.start - _LONGEST_INCIDENT,
        opened_before=asked.end,
        camera_ids=camera_ids,
        limit=MOST_READ,
    )
    found = archive.incidents.find(wanted)
    return [each for each in found if each.opened_at >= asked.start or (each.closed_at or asked.end) > asked.start]


def is_about(incident: Incident, zone: str, rules: Mapping[str, Rule]) -> bool:
    """Whether its rule names the zone, or something that was measured does."""
    rule = rules.get(incident.rule_id)
    names = {name for kind, _, name in rule.names_used if kind == "zone"} if rule else set()
    return zone in names or any(f" {zone} " in f" {fact.text} " for fact in incident.candidate.facts)


def shows(incident: Incident, label: str) -> bool:
    """Whether such a thing was marked in one of its key frames."""
    wanted = label.casefold()
    return any(region.label.casefold() == wanted for key in incident.candidate.key_frames for region in key.regions)


def seen_in(key: KeyFrame) -> list[str]:
    """`person 7`: what was marked in a key frame, the surest first."""
    regions = sorted(key.regions, key=lambda region: -region.score)[:_MOST_REGIONS]
    return [cut(f"{r.label} {r.track_id}" if r.track_id is not None else r.label, 40) for r in regions]


def _tracks(incident: Incident) -> set[tuple[str, int]]:
    """(label, track number) of what it shows; a track of which only facts tell has the label `unknown`."""
    candidate = incident.candidate
    shown = {
        (region.label.lower(), region.track_id)
        for key in candidate.key_frames
        for region in key.regions
        if region.track_id is not None
    }
    pictured = {track for _, track in shown}
    told = {fact.track_id for fact in candidate.facts if fact.track_id is not None} - pictured
    return shown | {("unknown", track) for track in told}


def matching(incidents: list[Incident], text: str) -> list[Incident]:
    """Those that hold one of the words at least, the most of them first; all for no words."""
    words = text.casefold().split()
    words = [word for word in words if word not in _SAYING_NOTHING] or words
    if not words:
        return incidents
    patterns = [re.compile(rf"(?<!\w){re.escape(word)}" if word.isascii() else re.escape(word)) for word in words]
    held = [(_num_held(patterns, _words_of(incident)), incident) for incident in incidents]
    ranked = sorted((each for each in held if each[0]), key=lambda each: -each[0])
    return [incident for _, incident in ranked]


def _num_held(patterns: list[re.Pattern[str]], text: str) -> int:
    """How many of the words begin a word of the text; those of scripts without spaces stand anywhere in it."""
    return sum(pattern.search(text) is not None for pattern in patterns)


def _words_of(incident: Incident) -> str:
    """All that was said of it."""
    parts = [incident.rule_id, *(fact.text for fact in incident.candidate.facts)]
    if incident.assessment is not None:
        report = incident.assessment.report
        parts.append(incident.assessment.reason)
        parts += [report.title, report.explanation, *(element.name for element in report.elements)] if report else []
    parts += [incident.review.note] if incident.review else []
    return " ".join(parts).casefold()


def _verdict(incident: Incident) -> dict[str, Any]:
    """What the model made of it."""
    assessment = incident.assessment
    if assessment is None:
        return {"verdict": "still awaited" if incident.awaits_verdict else "nobody was asked"}
    told: dict[str, Any] = {"verdict": assessment.verdict.value, "reason": cut(assessment.reason)}
    if assessment.probability is not None:
        told["probability"] = round(assessment.probability, 2)
    report = assessment.report
    if report is not None:
        told["explanation"] = cut(report.explanation, 600)
        told["seen"] = [f"{cut(element.name, 80)} {cite(incident, element.frame)}" for element in report.elements]
        told["relations"] = [
            f"{cut(f'{r.subject} {r.relation} {r.object}', 160)} {cite(incident, r.frame)}" for r in report.relations
        ]
        told["actions"] = [f"{cut(f'{a.who}: {a.what}', 160)} {cite(incident, a.first_frame)}" for a in report.actions]
    return told


def _counted(number: int) -> str:
    return "1 incident" if number == 1 else f"{number} incidents"
