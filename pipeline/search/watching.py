"""Cameras: whether they work, when they were not watched, and what the gates decided."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from pipeline.contracts.incident import Incident
from pipeline.search.archive import Archive, Gap, Watched
from pipeline.search.arguments import CameraStatus, Coverage, Why
from pipeline.search.found import Asked, Found, cite, cut, headline
from pipeline.search.named import asked_while, cameras_named, check_rule, span_json

_MOST_GAPS = 12
_MOST_CAMERAS = 40
_LATELY = timedelta(days=1)
_NOW = timedelta(minutes=5)


class WatchTools:
    """Answers from the coverage, the ledger and the incidents about cameras."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def status(self, wanted: CameraStatus) -> Found:
        """Of each camera what is wrong now, and when it was last watched."""
        archive, now = self._archive, self._archive.clock.now()
        cameras = cameras_named(archive, wanted.camera)
        wrong = [incident for incident in archive.incidents.still_open() if incident.candidate.condition is not None]
        rows = [self._camera(camera, wrong) for camera in cameras[:_MOST_CAMERAS]]
        ill = [each["camera"] for each in rows if each["wrong"] or not each["watched_now"]]
        data: dict[str, Any] = {"now": archive.local(now), "cameras": rows}
        if len(cameras) > _MOST_CAMERAS:
            data["note"] = f"the first {_MOST_CAMERAS} of {len(cameras)} cameras: name one"
        told = tuple(incident for incident in wrong if incident.camera_id in cameras)
        return Found(data, f"{len(ill)} of {len(rows)} not well", told, (Asked(cameras, now - _NOW, now),))

    def coverage(self, wanted: Coverage) -> Found:
        """Share watched and the longest gaps, in order of time."""
        archive = self._archive
        cameras = cameras_named(archive, wanted.camera)
        asked = asked_while(archive, wanted, cameras)
        told = archive.accounts.watched(wanted.camera, asked.start, asked.end)
        longest = sorted(told.gaps, key=lambda gap: gap.start - gap.end)[:_MOST_GAPS]
        data = {
            "camera": wanted.camera,
            **span_json(archive, asked.start, asked.end),
            "watched_share": _share(told),
            "num_gaps": len(told.gaps),
            "longest_gaps": [self._gap(gap) for gap in sorted(longest, key=lambda gap: gap.start)],
        }
        return Found(data, f"watched {_share(told):.1%}, {len(told.gaps)} gaps", (), (asked,))

    def why(self, wanted: Why) -> Found:
        """The sentence that answers, and the gates behind it."""
        archive = self._archive
        cameras = cameras_named(archive, wanted.camera)
        at, half = archive.read_time(wanted.at), timedelta(minutes=wanted.window_minutes) / 2
        rule_id = check_rule(archive, wanted.rule)
        answer = archive.accounts.why(wanted.camera, rule_id, at, 60.0 * wanted.window_minutes)
        asked = Asked(cameras, at - half, at + half)
        data = {"camera": wanted.camera, "at": archive.local(at), **answer}
        return Found(data, cut(" ".join(answer["answers"]), 160), (), (asked,))

    def _camera(self, camera_id: str, wrong: Iterable[Incident]) -> dict[str, Any]:
        now = self._archive.clock.now()
        lately = self._archive.accounts.watched(camera_id, now - _LATELY, now)
        last = lately.last_watched
        return {
            "camera": camera_id,
            "wrong": [f"{headline(each)} {cite(each)}" for each in wrong if each.camera_id == camera_id],
            "watched_now": last is not None and now - last <= _NOW,
            "last_watched": self._archive.local(last) if last else "not in the last day",
            "watched_share_of_last_day": _share(lately),
        }

    def _gap(self, gap: Gap) -> dict[str, str]:
        times = span_json(self._archive, gap.start, gap.end)
        return {**times, "reason": gap.reason, **({"detail": cut(gap.detail, 120)} if gap.detail else {})}


def _share(told: Watched) -> float:
    return round(told.watched_seconds / told.seconds, 4) if told.seconds else 0.0
