"""What becomes of cameras that fail: one real fault after the other, done from outside to real cameras that a real
`sightline run` reads, which is never restarted.

RTSP cameras are GStreamer's server on loopback, showing a real clip (a rendered scene where there is none); the HTTP
camera is a small server. Printed for each fault: when the incident about it was stored, from the fault's beginning
(the debounce is part of it); when pictures were watched again and when the incident was closed, from the fault's end;
the time the camera counted as blind, and for how much of it after the fault was over; frames that were not read, of the
pace before; the incidents opened and closed; and whether another camera was troubled. Then URLs that never were a
camera, and fifty cameras that connect at once, are cut off together, and come back.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measure import ROOT, SHARED, parser, save, show

sys.path.append(str(ROOT))
from tests.support.camera_clips import clip_pictures, scene_pictures, write_views
from tests.support.camera_faults import CameraFault, Cast
from tests.support.camera_watch import FaultTrial, Watching, site_text
from tests.support.processes import wait_until
from tests.support.rtsp_camera import RtspCamera

CLIP = SHARED / "videos" / "intel_people-detection.mp4"
HEALTH = {"offline": "3s", "frozen": "10s", "black": "5s", "covered": "5s", "low_fps": "15s"}
"""Debounces of the run: the faults of seconds that the table is about are to be told, not waited out."""
PATIENCE_SECONDS = 120.0
BAD_URLS = {
    "no-such-host": "rtsp://camera.invalid/stream",
    "nobody-there": "rtsp://127.0.0.1:9/stream",
    "unknown-scheme": "gopher://127.0.0.1/stream",
}
BAD_SECONDS = 40.0
MANY = 50
BAD, FIFTY = "bad URLs", "fifty at once"
LONGEST = "one frame a minute"
COLUMNS = (
    "fault", "lasted", "told as", "debounce", "noticed after", "seen again", "closed after", "blind", "too long",
    "frames lost", "opened/closed", "others", "verdict",
)  # fmt: skip


def chosen(faults: dict[str, CameraFault], names: Collection[str], *, quick: bool, seed: int) -> list[CameraFault]:
    """The faults by name, or all; the long ones only when there is time."""
    if names:
        return [faults[name] for name in names]
    if quick:
        return [fault for fault in faults.values() if fault.name != LONGEST]
    killed, chance = faults["killed"], random.Random(seed)
    longer = [killed.lasting(90.0)] + [killed.lasting(round(chance.uniform(2, 40), 1)) for _ in range(3)]
    return [*faults.values(), *longer]


def try_faults(folder: Path, names: Collection[str], *, quick: bool, seed: int) -> list[dict[str, Any]]:
    """The faults of these names or all, one after the other, in one run."""
    pictures = clip_pictures(CLIP) if CLIP.exists() else scene_pictures()
    outcomes = []
    views = write_views(folder / "views", pictures)
    with Cast(views, pictures) as cast, Watching(folder, site_text(cast.urls, HEALTH)) as watching:
        watching.wait_for_frames(list(cast.urls))
        for fault in chosen(cast.faults, names, quick=quick, seed=seed):
            outcomes.append(asdict(FaultTrial(watching, fault).run(patience_seconds=PATIENCE_SECONDS)))
            print(f"{fault.name}: {', '.join(outcomes[-1]['problems']) or 'well'}", file=sys.stderr, flush=True)
    return outcomes


def row(outcome: dict[str, Any]) -> tuple[object, ...]:
    """An `Outcome` as `COLUMNS`; seconds."""
    seconds = ("debounce", "noticed", "recovered", "closed", "blind", "late")
    return (
        outcome["fault"],
        f"{outcome['lasted_seconds']:.0f}",
        " ".join(outcome["conditions"]) or "-",
        *(_seconds(outcome[f"{name}_seconds"]) for name in seconds),
        outcome["frames_lost"],
        f"{len(outcome['conditions'])}/{outcome['num_closed']}",
        "; ".join(outcome["disturbed"]) or "well",
        "; ".join(outcome["problems"]) or "well",
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def try_bad_urls(folder: Path) -> list[dict[str, Any]]:
    """What never was a camera, beside one that is: when it is told, how often it is said, and in what words."""
    folder.mkdir(parents=True)
    views = write_views(folder / "views", scene_pictures(), codecs=())
    good = RtspCamera(views["normal"], "guard", "hunter2")
    urls = {"good": good.url(), "wrong-password": good.url("guard:letmein"), "wrong-path": good.url(mount="other")}
    try:
        with Watching(folder, site_text(urls | BAD_URLS, HEALTH)) as watching:
            watching.wait_for_frames(["good"])
            time.sleep(BAD_SECONDS)
            return [_bad_url(watching, camera_id) for camera_id in (*urls, *BAD_URLS) if camera_id != "good"]
    finally:
        good.kill()


def _bad_url(watching: Watching, camera_id: str) -> dict[str, Any]:
    told = watching.incidents(camera_id)
    entries = [json.loads(line) for line in watching.log.read_text().splitlines() if line.startswith("{")]
    warnings = [
        each for each in entries if each.get("camera") == camera_id and each.get("level") in ("warning", "error")
    ]
    noticed_at = watching.stored_at(told[0]) if told else None
    return {
        "camera": camera_id,
        "noticed_seconds": (noticed_at - watching.began_at).total_seconds() if noticed_at else None,
        "incidents": len(told),
        "lines_logged": len(warnings),
        "said": told[0].candidate.facts[0].text if told else next((str(each.get("reason")) for each in warnings), ""),
    }


def try_many(folder: Path) -> dict[str, Any]:
    """Fifty cameras connect at once, are cut off for five seconds, and come back."""
    folder.mkdir(parents=True)
    views = write_views(folder / "views", scene_pictures(), codecs=())
    names = [f"cam{number}" for number in range(MANY)]
    server = RtspCamera(views["normal"], mounts=names)
    urls = {name: server.url(mount=name) for name in names}
    try:
        began = time.monotonic()
        with Watching(folder, site_text(urls, {"offline": "3s"}, fps=1.0)) as watching:
            watching.wait_for_frames(names, 180.0)
            connected = time.monotonic() - began
            cut_at = datetime.now(UTC)
            server.kill()
            time.sleep(5.0)
            server.start()
            back = watching.wait_for_frames(names, 180.0)

            def closed() -> list[bool]:
                return [each.closed_at is not None for each in watching.incidents(since=cut_at)]

            wait_until(lambda: all(closed()), 60.0, "all incidents to be closed")
            counts = closed()
    finally:
        server.kill()
    return {
        "cameras": MANY,
        "all_connected_seconds": connected,
        "all_back_seconds": back,
        "opened": len(counts),
        "closed": sum(counts),
    }


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--quick", action="store_true", help="without the faults that last minutes")
    arguments.add_argument("--fault", action="append", default=[], help="this one alone; may be given again")
    arguments.add_argument("--seed", type=int, default=1, help="of the outages of random length")
    arguments.add_argument("--folder", type=Path, help="work in this empty folder, and leave its logs and data")
    arguments.add_argument("--json", action="store_true", help="print the figures instead of tables")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="sightline-faults-") as temporary:
        figures = measure(given.folder or Path(temporary), given.fault, quick=given.quick, seed=given.seed)
    if given.json:
        print(json.dumps(figures, indent=2))
    else:
        tell(figures)
    if given.save:
        print("saved", save("camera_faults", figures), file=sys.stderr)


def measure(folder: Path, names: Collection[str], *, quick: bool, seed: int) -> dict[str, Any]:
    """The parts that are named, or all."""
    figures: dict[str, Any] = {"debounce": HEALTH}
    struck = [name for name in names if name not in (BAD, FIFTY)]
    if struck or not names:
        figures["faults"] = try_faults(folder, struck, quick=quick, seed=seed)
    if not names or BAD in names:
        figures["bad_urls"] = try_bad_urls(folder / "bad")
    if not names or FIFTY in names:
        figures["many"] = [try_many(folder / "many")]
    return figures


def tell(figures: dict[str, Any]) -> None:
    """As tables."""
    if "faults" in figures:
        show(
            "One fault after the other, without a restart; seconds", COLUMNS, [row(each) for each in figures["faults"]]
        )
    titles = {"bad_urls": "Never a camera", "many": "All at once"}
    for part in titles.keys() & figures.keys():
        show(titles[part], tuple(figures[part][0]), [tuple(each.values()) for each in figures[part]])


if __name__ == "__main__":
    main()
