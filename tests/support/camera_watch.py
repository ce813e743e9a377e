"""`sightline run` on a site file with real cameras, in a process of its own; and what it makes of a fault of theirs.

Everything is read from outside: incidents and coverage from what is stored, frames from the metrics port.
"""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from pipeline.app.stores import Stores, open_stores
from pipeline.contracts.coverage import Layer
from pipeline.contracts.health import BLIND
from pipeline.contracts.incident import ChangeKind, Incident, IncidentFilter
from pipeline.settings import load_settings
from pipeline.site import DEFAULT_HEALTH_RULE, load_site
from pipeline.store.gaps import Stretch, blind_stretches, stretches
from tests.support.broker import free_port
from tests.support.camera_faults import CameraFault
from tests.support.processes import sightline, wait_until

_LOOK_SECONDS = 0.25
_START_SECONDS = 90.0
_STOP_SECONDS = 40.0
FLUSH_SECONDS = 2.5
"""Coverage is stored once a second; after so long what was is told."""


def site_text(
    urls: Mapping[str, str], health: Mapping[str, str], settings: str = "", webhook: str = "", fps: float = 5.0
) -> str:
    """A site of these cameras, each looked at `fps` times a second, that watches nothing but their health."""
    limits = f"sampling: {{idle_fps: {fps:g}, active_fps: {fps:g}}}"
    debounce = ", ".join(f"{condition}: {length}" for condition, length in health.items())
    lines = ["site: {name: faults}", "cameras:"]
    for camera_id, url in urls.items():
        lines += [f'  - {{id: {camera_id}, url: "{url}", {limits}, health: {{{debounce}}}}}']
    if webhook:
        lines += ["channels:", f'  guards: {{webhook: "{webhook}", allow_private: true}}']
    return "\n".join([*lines, f"settings: {{drain_for: 10s, log_format: json{', ' * bool(settings)}{settings}}}", ""])


class Watching:
    """The run, from `with` to its end."""

    def __init__(self, folder: Path, text: str) -> None:
        self._site_path, self.log = folder / "site.yaml", folder / "log"
        self._site_path.write_text(text)
        self.site = load_site(self._site_path)
        self._settings = load_settings(self.site.settings, data_dir=folder / "data")
        self._metrics_port = free_port()
        self.began_at = datetime.now(UTC)
        """When the command was given."""
        self._process: subprocess.Popen[bytes] | None = None
        self._stores: Stores | None = None

    def __enter__(self) -> Self:
        line = ("run", str(self._site_path), "--data-dir", str(self._settings.data_dir), "--quiet")
        self.began_at = datetime.now(UTC)
        self._process = sightline(self.log, *line, "--metrics-port", str(self._metrics_port))
        try:
            wait_until(lambda: bool(self.frames_read()), _START_SECONDS, f"the run to start; see {self.log}")
            self._stores = open_stores(self._settings, must_exist=True)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._stores is not None:
            self._stores.close()
        self._end()

    def _end(self) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """Of the run."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """It has not ended."""
        return self._process is not None and self._process.poll() is None

    def frames_read(self) -> dict[str, int]:
        """So far, by camera; empty before it serves its metrics."""
        assert self.is_alive, self.log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        families = {family.name: family for family in text_string_to_metric_families(text)}
        samples = families["sightline_frames_read"].samples if "sightline_frames_read" in families else ()
        return {each.labels["camera"]: int(each.value) for each in samples if each.name.endswith("_total")}

    def wait_for_frames(self, camera_ids: Collection[str], seconds: float = 60.0) -> float:
        """Until each of these has given one more; how long it took."""
        before = self.frames_read()

        def have_all() -> bool:
            now = self.frames_read()
            return all(now.get(each, 0) > before.get(each, 0) for each in camera_ids)

        return wait_until(have_all, seconds, f"frames of {', '.join(camera_ids)}; see {self.log}")

    def incidents(self, camera_id: str | None = None, *, since: datetime | None = None) -> list[Incident]:
        """About the health of a camera, oldest first; `since`: of what began then or later."""
        assert self._stores is not None
        wanted = IncidentFilter(camera_id=camera_id, rule_id=DEFAULT_HEALTH_RULE.id, limit=1000)
        found = self._stores.incidents.find(wanted)[::-1]
        return [each for each in found if since is None or each.candidate.opened_at >= since]

    def stored_at(self, incident: Incident, kind: ChangeKind | None = None) -> datetime | None:
        """When the first change, or the first of this kind, was stored."""
        assert self._stores is not None
        changes = self._stores.incidents.changes(incident.id)
        return next((change.at for change in changes if kind is None or change.kind is kind), None)

    def blind(self, camera_id: str, start: datetime, end: datetime) -> list[Stretch]:
        """When the camera was not watched."""
        assert self._stores is not None
        intervals = self._stores.coverage.between([camera_id], start, end)
        return blind_stretches(stretches(intervals, start, end, layers={Layer.PICTURES}))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one fault; seconds are None where the thing never happened."""

    fault: str
    camera_id: str
    lasted_seconds: float
    debounce_seconds: float | None
    noticed_seconds: float | None
    """From the fault's beginning to the incident being stored."""
    recovered_seconds: float | None
    """From the fault's end to the first picture that is watched again."""
    closed_seconds: float | None
    """From the fault's end to the closing being stored."""
    blind_seconds: float
    early_seconds: float
    """Blind before the fault began, …"""
    late_seconds: float
    """… and after it was over."""
    frames_lost: int
    """Of the pace at which frames were read before, until they are read again."""
    conditions: tuple[str, ...]
    """Told, one for each incident."""
    num_closed: int
    said: str
    """The first incident's words."""
    disturbed: tuple[str, ...]
    """Other cameras that were blind or complained of."""
    problems: tuple[str, ...]


class FaultTrial:
    """One fault, struck and mended, while the run goes on."""

    def __init__(self, watching: Watching, fault: CameraFault) -> None:
        self._watching = watching
        self._fault = fault
        self._frames: list[tuple[float, int]] = []
        """When looked, and frames read so far."""

    def run(self, *, patience_seconds: float = 90.0, settle_seconds: float = 4.0) -> Outcome:
        """Strike, wait, mend, wait for everything to be well again, and see."""
        fault = self._fault
        self._look_for(settle_seconds)
        struck_at = datetime.now(UTC)
        fault.strike()
        self._look_for(fault.seconds - (datetime.now(UTC) - struck_at).total_seconds())
        fault.mend()
        mended_at = datetime.now(UTC)
        self._look_for(patience_seconds, until=lambda: self._is_well(struck_at))
        well_at = datetime.now(UTC)
        self._look_for(FLUSH_SECONDS)
        return self._outcome(struck_at, mended_at, well_at)

    def _look_for(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not until():
            count = self._watching.frames_read().get(self._fault.camera_id, 0)
            self._frames.append((time.time(), count))
            time.sleep(_LOOK_SECONDS)

    def _is_well(self, struck_at: datetime) -> bool:
        """Frames come, and what was told is over."""
        recent = [count for _, count in self._frames[-5:]]
        told = self._watching.incidents(self._fault.camera_id, since=struck_at)
        is_told = bool(told) or self._fault.condition is None or self._fault.may_go_untold
        return is_told and len(recent) == 5 and recent[-1] > recent[0] and all(each.closed_at for each in told)

    def _outcome(self, struck_at: datetime, mended_at: datetime, end: datetime) -> Outcome:
        watching, camera_id = self._watching, self._fault.camera_id
        told = watching.incidents(camera_id, since=struck_at)
        blind = watching.blind(camera_id, struck_at, end)
        is_back = not blind or blind[-1].end < end
        back_at = blind[-1].end if blind else mended_at
        closed = [at for each in told if (at := watching.stored_at(each, ChangeKind.CLOSED))]
        noticed_at = watching.stored_at(told[0]) if told else None
        early = watching.blind(camera_id, datetime.fromtimestamp(self._frames[0][0], UTC), struck_at)
        disturbed = {
            other
            for other in (camera.id for camera in watching.site.cameras)
            if other != camera_id
            and (watching.incidents(other, since=struck_at) or watching.blind(other, struck_at, mended_at))
        }
        condition = self._fault.condition
        camera = watching.site.camera(camera_id)
        outcome = Outcome(
            fault=self._fault.name,
            camera_id=camera_id,
            lasted_seconds=(mended_at - struck_at).total_seconds(),
            debounce_seconds=camera.debounce_seconds(condition) if camera and condition else None,
            noticed_seconds=_after(struck_at, noticed_at),
            recovered_seconds=_after(mended_at, max(back_at, mended_at)) if is_back else None,
            closed_seconds=_after(mended_at, closed[-1]) if told and len(closed) == len(told) else None,
            blind_seconds=sum(each.seconds for each in blind),
            early_seconds=sum(each.seconds for each in early),
            late_seconds=max(0.0, (back_at - mended_at).total_seconds()),
            frames_lost=self._frames_lost(struck_at.timestamp(), max(back_at, mended_at).timestamp()),
            conditions=tuple(each.candidate.facts[0].kind for each in told),
            num_closed=len(closed),
            said=told[0].candidate.facts[0].text if told else "",
            disturbed=tuple(sorted(disturbed)),
            problems=(),
        )
        return _judged(outcome, self._fault, watching)

    def _frames_lost(self, struck: float, back: float) -> int:
        before = [sample for sample in self._frames if sample[0] <= struck]
        meanwhile = [sample for sample in self._frames if struck < sample[0] <= back]
        if len(before) < 2 or not meanwhile:
            return 0
        pace = (before[-1][1] - before[0][1]) / (before[-1][0] - before[0][0])
        return max(0, round(pace * (back - struck)) - (meanwhile[-1][1] - before[-1][1]))


def _after(start: datetime, at: datetime | None) -> float | None:
    return None if at is None else (at - start).total_seconds()


def _judged(outcome: Outcome, fault: CameraFault, watching: Watching) -> Outcome:
    """With what is not as it should be."""
    condition = fault.condition
    expected = (condition.value,) if condition else ()
    is_as_expected = outcome.conditions == expected or (fault.may_go_untold and not outcome.conditions)
    checks = {
        f"told {', '.join(outcome.conditions) or 'nothing'}": is_as_expected,
        f"closed {outcome.num_closed} of {len(outcome.conditions)}": outcome.num_closed == len(outcome.conditions),
        "did not recover": outcome.recovered_seconds is not None,
        "no gap in the coverage": outcome.blind_seconds > 0 or condition not in BLIND or fault.may_go_untold,
        f"others disturbed: {', '.join(outcome.disturbed)}": not outcome.disturbed,
        "the run ended": watching.is_alive,
    }
    return replace(outcome, problems=tuple(text for text, is_well in checks.items() if not is_well))
