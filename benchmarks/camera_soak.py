"""Eight RTSP cameras for half an hour, each failing now and then in a way of its own: memory that stays, nothing that
leaks, and a coverage that knows what was done.

One real `sightline run`; every camera is a server process of its own, every second one behind a proxy that can spoil
its bytes. Which fault befalls which camera when is drawn by the seed and written down as it is done. Printed are
memory (PSS of all its processes), threads, files and processes over time; the coverage against the faults; incidents
and webhooks. Where frames are missing, the coverage is compared with the frames themselves too, as they are counted
from outside: a camera that is back is not watched until it is connected again.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from measure import ROOT, SHARED, parser, save, show

sys.path.append(str(ROOT))
from pipeline.contracts.health import BLIND, Condition
from pipeline.store.gaps import Stretch
from tests.support.camera_clips import clip_pictures, scene_pictures, write_views
from tests.support.camera_faults import CameraFault, Victim, network_faults, rtsp_faults
from tests.support.camera_watch import FLUSH_SECONDS, Watching, site_text
from tests.support.process_tree import Footprint, footprint
from tests.support.receiver import Receiver

CLIPS = (
    "intel_people-detection.mp4",
    "intel_one-by-one-person-detection.mp4",
    "intel_car-detection.mp4",
    "dvrscan_traffic_camera.mp4",
    "pets09_s2l1_vtest.avi",
)
HEALTH = {"offline": "2s", "frozen": "8s", "black": "4s", "covered": "4s", "low_fps": "10s"}
INGEST = "ingest: {connect_timeout: 5s, read_timeout: 7s, retry_from: 0.5s, retry_to: 2s}"
LENGTHS = {
    "killed": (4, 45),
    "stopped": (14, 45),
    "silent": (14, 45),
    "frozen": (18, 45),
    "black": (10, 40),
    "covered": (10, 40),
    "one frame in 5 s": (30, 50),
    "another size": (5, 20),
    "another codec, H.265": (8, 20),
    "restarted larger": (4, 20),
    "wrong password": (5, 40),
    "404": (5, 40),
    "garbage": (8, 30),
    "bit errors": (8, 30),
}
"""Least and most seconds; each longer than its debounce and what it takes to see it."""
REST_SECONDS = (25.0, 60.0)
LOOK_SECONDS = 3.0
NEAR_SECONDS = 2.0
"""What the coverage may be off by where frames are missing."""
CALM_SECONDS = 30.0
"""At the beginning and the end nothing is done."""
WARM_SECONDS = 60.0
"""As long as the ring looks back, and some: memory counts from then on."""
LEAST_MINUTES = 10.0
"""In a shorter run memory says nothing."""
COLUMNS = ("fault", "times", "missed", "start off by", "end off by", "by frames", "incidents", "closed", "verdict")


@dataclass(slots=True)
class Struck:
    """A fault that was done, and when, aware UTC."""

    fault: CameraFault
    begun: datetime
    ended: datetime


class Trouble(threading.Thread):
    """Does one thing after another to one camera."""

    def __init__(self, faults: Sequence[CameraFault], chance: random.Random, over: threading.Event) -> None:
        super().__init__(name="trouble", daemon=True)
        self.done: list[Struck] = []
        self.error: Exception | None = None
        self._faults = faults
        self._chance = chance
        self._over = over

    def run(self) -> None:
        """Until told to stop; what is begun is done to its end."""
        try:
            while not self._over.wait(self._chance.uniform(*REST_SECONDS)):
                fault = self._chance.choice(self._faults)
                self._do(fault.lasting(self._chance.uniform(*LENGTHS[fault.name])))
        except Exception as error:  # noqa: BLE001 - told by the main thread
            self.error = error

    def _do(self, fault: CameraFault) -> None:
        begun = datetime.now(UTC)
        fault.strike()
        time.sleep(fault.seconds)
        fault.mend()
        self.done.append(Struck(fault, begun, datetime.now(UTC)))


class Meter(threading.Thread):
    """Looks at the run every few seconds, and more often at its frames."""

    def __init__(self, watching: Watching) -> None:
        super().__init__(name="meter", daemon=True)
        self.footprints: list[tuple[float, Footprint]] = []
        """Seconds since the beginning, and what it took."""
        self.frames: list[tuple[datetime, dict[str, int]]] = []
        self.error: Exception | None = None
        self._watching = watching
        self._over = threading.Event()

    def run(self) -> None:
        """Until stopped."""
        began = last = time.monotonic()
        try:
            while not self._over.wait(0.5):
                self.frames.append((datetime.now(UTC), self._watching.frames_read()))
                if time.monotonic() - last >= LOOK_SECONDS:
                    last = time.monotonic()
                    self.footprints.append((last - began, footprint(self._watching.pid)))
        except (AssertionError, OSError) as error:
            self.error = error

    def stop(self) -> None:
        """And wait for the last look."""
        self._over.set()
        self.join()

    def frames_again(self, camera_id: str, after: datetime) -> datetime | None:
        """When the first frame after this moment had been counted: up to half a second late."""
        base = next((counts.get(camera_id, 0) for at, counts in self.frames if at >= after), None)
        later = (
            at for at, counts in self.frames if at > after and base is not None and counts.get(camera_id, 0) > base
        )
        return next(later, None)


@dataclass(frozen=True, slots=True)
class Account:
    """One fault against what was kept of it; differences in seconds, positive: the coverage is later."""

    camera_id: str
    fault: str
    begun: str
    lasted_seconds: float
    is_missed: bool
    start_off_seconds: float | None
    end_off_seconds: float | None
    end_off_frames_seconds: float | None
    incidents: tuple[str, ...]
    num_closed: int
    problems: tuple[str, ...]


def account(watching: Watching, meter: Meter, struck: Struck, until: datetime) -> Account:
    """`until`: when the next thing befell that camera, or the end."""
    fault, camera_id = struck.fault, struck.fault.camera_id
    near = timedelta(seconds=NEAR_SECONDS)
    found = watching.blind(camera_id, struck.begun - 2 * near, until)
    blind = [each for each in found if each.start < struck.ended + near and each.end > struck.begun]
    told = [each for each in watching.incidents(camera_id, since=struck.begun) if each.candidate.opened_at < until]
    conditions = tuple(each.candidate.facts[0].kind for each in told)
    is_blinding = fault.condition in BLIND and not fault.may_go_untold
    start_off = (blind[0].start - struck.begun).total_seconds() if blind and is_blinding else None
    end_off = (blind[-1].end - struck.ended).total_seconds() if blind and is_blinding else None
    again = meter.frames_again(camera_id, struck.ended) if fault.condition is Condition.OFFLINE else None
    by_frames = (blind[-1].end - again).total_seconds() if blind and is_blinding and again else None
    num_closed = sum(each.closed_at is not None for each in told)
    expected = (fault.condition.value,) if fault.condition else ()
    problems = {
        f"told {', '.join(conditions) or 'nothing'}": conditions == expected
        or (fault.may_go_untold and not conditions),
        f"closed {num_closed} of {len(conditions)}": num_closed == len(conditions),
        "not in the coverage": bool(blind) or not is_blinding,
        f"start off by {start_off} s": start_off is None or abs(start_off) <= NEAR_SECONDS,
        f"end off by {by_frames} s": by_frames is None or abs(by_frames) <= NEAR_SECONDS,
    }
    return Account(
        camera_id, fault.name, struck.begun.isoformat(), (struck.ended - struck.begun).total_seconds(),
        is_blinding and not blind, start_off, end_off, by_frames, conditions, num_closed,
        tuple(text for text, is_well in problems.items() if not is_well),
    )  # fmt: skip


def extra_blind(watching: Watching, done: Sequence[Struck], start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Blind stretches that no fault explains: none was under way or just over."""
    slack = timedelta(seconds=NEAR_SECONDS)

    def is_explained(camera_id: str, stretch: Stretch) -> bool:
        mine = (each for each in done if each.fault.camera_id == camera_id)
        return any(stretch.start < each.ended + slack and stretch.end > each.begun - slack for each in mine)

    cameras = [camera.id for camera in watching.site.cameras]
    found = [(each, stretch) for each in cameras for stretch in watching.blind(each, start, end)]
    return [
        {"camera": camera_id, "start": stretch.start.isoformat(), "seconds": stretch.seconds, "reason": stretch.reason}
        for camera_id, stretch in found
        if not is_explained(camera_id, stretch)
    ]


def trend(footprints: Sequence[tuple[float, Footprint]]) -> dict[str, Any]:
    """What it took once warm, in thirds of the time."""
    warm = [sample for sample in footprints if sample[0] >= WARM_SECONDS]
    third = len(warm) // 3
    memory = [each.pss_mib for _, each in warm]
    figures: dict[str, Any] = {
        "mib_first_third_p95": _p95(memory[:third]),
        "mib_last_third_p95": _p95(memory[-third:]),
        "mib_a_minute": 60 * statistics.linear_regression([at for at, _ in warm], memory).slope,
        "mib_most": max(memory),
    }
    for name in ("num_processes", "num_threads", "num_files"):
        counts = [getattr(each, name) for _, each in footprints]
        figures[name] = [max(counts[: len(counts) // 3]), max(counts), counts[-1]]
    return figures


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


def told_figures(watching: Watching, receiver: Receiver) -> dict[str, Any]:
    """Incidents, and what the receiver heard of them."""
    incidents = watching.incidents()
    changes = Counter(request.headers["webhook-id"] for request in receiver.received)
    subjects = Counter(request.json["subject"] for request in receiver.received)
    return {
        "incidents": len(incidents),
        "closed": sum(each.closed_at is not None for each in incidents),
        "webhooks": len(changes),
        "webhooks_repeated": sum(changes.values()) - len(changes),
        "incidents_told_opened_and_closed": sum(subjects[each.id] >= 2 for each in incidents),
    }


def run(folder: Path, num_cameras: int, minutes: float, seed: int) -> dict[str, Any]:
    """All of it; what came out."""
    victims = dict(zip(names(num_cameras), make_victims(folder, num_cameras, seed), strict=True))
    try:
        with Receiver() as receiver:
            text = site_text({name: each.url for name, each in victims.items()}, HEALTH, INGEST, receiver.url)
            with Watching(folder, text) as watching:
                watching.wait_for_frames(list(victims), 120.0)
                return _soak(watching, receiver, victims, 60 * minutes, seed)
    finally:
        for each in victims.values():
            each.close()


def names(num_cameras: int) -> list[str]:
    """Of the cameras."""
    return [f"cam{number}" for number in range(num_cameras)]


def make_victims(folder: Path, num_cameras: int, seed: int) -> list[Victim]:
    """The cameras, each with a clip, the real ones in turn; every second one behind a proxy."""
    clips = [SHARED / "videos" / name for name in CLIPS if (SHARED / "videos" / name).exists()]
    every = [clip_pictures(clip) for clip in clips] or [scene_pictures(seed=each) for each in (1, 2)]
    views = [write_views(folder / f"views{at}", each, codecs=("hevc",)) for at, each in enumerate(every[:num_cameras])]
    return [
        Victim(views[at % len(views)], random.Random(f"{seed}-{at}"), is_behind_proxy=at % 2 == 1)
        for at in range(num_cameras)
    ]


def faults_of(camera_id: str, victim: Victim) -> list[CameraFault]:
    """Those that last seconds."""
    every = rtsp_faults(camera_id, victim.device) + (network_faults(camera_id, victim) if victim.proxy else [])
    return [fault for fault in every if fault.name in LENGTHS]


def _soak(
    watching: Watching, receiver: Receiver, victims: dict[str, Victim], seconds: float, seed: int
) -> dict[str, Any]:
    over, meter, began_at = threading.Event(), Meter(watching), datetime.now(UTC)
    troubles = [
        Trouble(faults_of(name, victim), random.Random(f"{seed}-{name}"), over) for name, victim in victims.items()
    ]
    meter.start()
    time.sleep(CALM_SECONDS)
    for trouble in troubles:
        trouble.start()
    time.sleep(max(0.0, seconds - 2 * CALM_SECONDS))
    over.set()
    for trouble in troubles:
        trouble.join()
    time.sleep(CALM_SECONDS + FLUSH_SECONDS)
    meter.stop()
    errors = [repr(each.error) for each in (*troubles, meter) if each.error]
    done = sorted((each for trouble in troubles for each in trouble.done), key=lambda each: each.begun)
    accounts = [account(watching, meter, each, _until(each, done)) for each in done]
    return {
        "errors": errors,
        "faults": [asdict(each) for each in accounts],
        "footprint": trend(meter.footprints),
        "memory_mib": [[round(at), round(each.pss_mib, 1)] for at, each in meter.footprints],
        "extra_blind": extra_blind(watching, done, began_at, datetime.now(UTC) - timedelta(seconds=FLUSH_SECONDS)),
        "told": told_figures(watching, receiver),
    }


def _until(struck: Struck, done: Sequence[Struck]) -> datetime:
    mine = (each.begun for each in done if each.fault.camera_id == struck.fault.camera_id and each.begun > struck.begun)
    return min(mine, default=datetime.now(UTC) - timedelta(seconds=FLUSH_SECONDS))


def rows(faults: Sequence[dict[str, Any]]) -> list[tuple[object, ...]]:
    """As `COLUMNS`, one a kind of fault; the worst difference of each."""
    made = []
    for name in sorted({each["fault"] for each in faults}):
        mine = [each for each in faults if each["fault"] == name]
        problems = Counter(problem.split(" off by ")[0] for each in mine for problem in each["problems"])
        made.append((
            name, len(mine), sum(each["is_missed"] for each in mine),
            *(_worst(mine, f"{key}_seconds") for key in ("start_off", "end_off", "end_off_frames")),
            sum(len(each["incidents"]) for each in mine), sum(each["num_closed"] for each in mine),
            "; ".join(f"{count} x {problem}" for problem, count in problems.items()) or "well",
        ))  # fmt: skip
    return made


def _worst(faults: Sequence[dict[str, Any]], key: str) -> str:
    values = [each[key] for each in faults if each[key] is not None]
    return f"{max(values, key=abs):+.1f}" if values else "-"


def verdicts(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """One line a claim: what, how much, and whether it holds; memory of a short run is not judged."""
    taken, told = figures["footprint"], figures["told"]
    growth = taken["mib_last_third_p95"] - taken["mib_first_third_p95"]
    extra = sum(each["seconds"] for each in figures["extra_blind"])
    lines = [
        (
            "memory, p95 of the first and the last third",
            f"{taken['mib_first_third_p95']:.0f}, {taken['mib_last_third_p95']:.0f} MiB "
            f"({taken['mib_a_minute']:+.2f} MiB a minute, most {taken['mib_most']:.0f})",
            growth <= 0.05 * taken["mib_first_third_p95"] or figures["memory_mib"][-1][0] < 60 * LEAST_MINUTES,
        )
    ]
    for name in ("processes", "threads", "files"):
        first, most, last = taken[f"num_{name}"]
        lines.append(
            (f"{name}, most of the first third and of all, at the end", f"{first}, {most}, {last}", last <= first)
        )
    wrong = [each for each in figures["faults"] if each["problems"]]
    lines += [
        ("faults as they should be", f"{len(figures['faults']) - len(wrong)} of {len(figures['faults'])}", not wrong),
        ("blind without a fault", f"{extra:.1f} s in {len(figures['extra_blind'])} stretches", not extra),
        ("incidents closed", f"{told['closed']} of {told['incidents']}", told["closed"] == told["incidents"]),
        (
            "incidents told from beginning to end",
            f"{told['incidents_told_opened_and_closed']} of {told['incidents']}, {told['webhooks_repeated']} repeated",
            told["incidents_told_opened_and_closed"] == told["incidents"],
        ),
        ("errors of the script", "; ".join(figures["errors"]) or "none", not figures["errors"]),
    ]
    return [(what, how_much, "holds" if is_so else "FAILS") for what, how_much, is_so in lines]


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--cameras", type=int, default=8)
    arguments.add_argument("--minutes", type=float, default=30.0, help="of these the first and last half are calm")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--folder", type=Path, help="work in this empty folder, and leave its log and data")
    arguments.add_argument("--json", action="store_true", help="print the figures instead of tables")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="sightline-soak-") as temporary:
        figures = run(given.folder or Path(temporary), given.cameras, given.minutes, given.seed)
    if given.json:
        print(json.dumps(figures, indent=2))
    else:
        title = f"{given.cameras} cameras, {given.minutes:g} minutes, seed {given.seed}"
        show(f"{title}; worst differences in seconds", COLUMNS, rows(figures["faults"]))
        show(title, ("claim", "measured", "verdict"), verdicts(figures))
    if given.save:
        told = {"cameras": given.cameras, "minutes": given.minutes, "seed": given.seed}
        print("saved", save("camera_soak", told | figures), file=sys.stderr)


if __name__ == "__main__":
    main()
