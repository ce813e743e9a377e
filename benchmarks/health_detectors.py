"""Health detectors on real clips: recall and time to notice where a script altered them, false alarms where not.

Every clip is a camera of one frame a second, as JPEG; short clips are played to and fro. Altered ones are untouched
for a random 75 to 95 s, then altered. The margins behind the constants were measured on all of these clips, so
none is held out: other clips may do worse. Also printed: the error of `CaptureClock` on scripted arrivals, and what
a look costs.
"""

from __future__ import annotations

import io
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from measure import SHARED, parser, save, show
from numpy.typing import NDArray

from pipeline.clock import ManualClock
from pipeline.contracts.camera import Camera, SamplingLimits
from pipeline.contracts.frame import EncodedFrame, Frame
from pipeline.contracts.health import Condition, HealthChange
from pipeline.contracts.values import Image
from pipeline.ingest.health import HealthMonitor
from pipeline.ingest.timing import CaptureClock
from pipeline.jpeg import encode, encode_pixels
from pipeline.settings import IngestSettings

VIDEOS = SHARED / "videos"
START = datetime(2026, 1, 1, tzinfo=UTC)
SIDE_PX = 640
WARM_UP_SECONDS = (75, 95)
FAULT_SECONDS = 75
UNTOUCHED_SECONDS = 360
Alter = Callable[[Image, int], Image]
"""A picture and the seconds since the fault began (negative before it) to what the camera shows."""


@dataclass(frozen=True)
class Case:
    """A way to alter a clip, and what must be told of it; None: nothing."""

    name: str
    expected: Condition | None
    alter: Alter


@dataclass
class Outcome:
    """What was told of one clip with one case."""

    clip: str
    case: str
    expected: Condition | None
    event_seconds: int
    noticed_seconds: float | None = None
    others: list[str] = field(default_factory=list)


@dataclass
class Kept:
    """A listener that remembers."""

    changes: list[HealthChange] = field(default_factory=list)

    def changed(self, change: HealthChange) -> None:
        """See `HealthListener`."""
        self.changes.append(change)


def clips() -> list[Path]:
    """All of them."""
    return sorted(path for path in VIDEOS.rglob("*") if path.suffix in {".mp4", ".avi", ".gif"})


def one_a_second(path: Path) -> list[Image]:
    """Pictures of a clip, a second apart (of short ones closer), no side over 640."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        fps = float(stream.average_rate or 25)
        frames = stream.frames or int(fps * 5)
        every = max(round(min(fps, frames / 8)), 1)
        pictures = (frame for index, frame in enumerate(container.decode(stream)) if index % every == 0)
        return [_scaled(frame.to_ndarray(format="rgb24")) for frame in pictures]


def _scaled(picture: Image) -> Image:
    scale = min(SIDE_PX / max(picture.shape[:2]), 1.0)
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def to_and_fro(pictures: Sequence[Image]) -> Iterator[Image]:
    """For ever, without a jump."""
    while True:
        yield from pictures
        yield from reversed(pictures[1:-1])


@lru_cache(maxsize=32)
def _normal(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def noise(shape: tuple[int, ...], second: int, sigma: float) -> NDArray[np.float32]:
    """A sensor's, Gaussian; the same again after 11 s."""
    return _normal(shape, second % 11) * np.float32(sigma)


def clipped(picture: Any) -> Image:
    """To uint8."""
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def blackened(picture: Image, second: int) -> Image:
    """No light: noise of 2 levels about 5."""
    return picture if second < 0 else clipped(5 + noise(picture.shape, second, 2.0))


def blurred(sigma: float) -> Alter:
    """Out of focus at once."""
    return lambda picture, second: picture if second < 0 else blur(picture, sigma)


def blurring(picture: Image, second: int) -> Image:
    """Out of focus more and more: a pixel of sigma every 8 s."""
    return picture if second <= 0 else blur(picture, second / 8)


def blur(picture: Image, sigma: float) -> Image:
    """Gaussian, with a sensor's noise after it."""
    return clipped(cv2.GaussianBlur(picture, (0, 0), sigma) + noise(picture.shape, int(sigma * 8), 1.0))


def shifted(share: float) -> Alter:
    """A window of the picture, moved by so much of the picture's width."""

    def alter(picture: Image, second: int) -> Image:
        by = round(share * picture.shape[1])
        return np.ascontiguousarray(picture[:, by:] if second >= 0 else picture[:, :-by])

    return alter


def turned(picture: Image, second: int) -> Image:
    """By 10 degrees, within a window that the picture fills before and after."""
    height, width = picture.shape[:2]
    if second >= 0:
        picture = cv2.warpAffine(picture, cv2.getRotationMatrix2D((width / 2, height / 2), 10, 1), (width, height))
    return np.ascontiguousarray(picture[int(0.14 * height) : int(0.86 * height), int(0.14 * width) : int(0.86 * width)])


def covered_plain(picture: Image, second: int) -> Image:
    """A bright surface before the lens."""
    return picture if second < 0 else clipped(150 + noise(picture.shape, second, 5.0))


def covered_dark(picture: Image, second: int) -> Image:
    """A dark cloth, out of focus."""
    if second < 0:
        return picture
    folds = cv2.GaussianBlur(noise(picture.shape[:2], 7, 1.0), (0, 0), 8)
    return clipped((45 + 10 * folds / folds.std())[..., None] + noise(picture.shape, second, 2.0))


def other_light(picture: Image, second: int) -> Image:
    """Like a switch to infrared: other reflectances, darker, noisier, grey."""
    if second < 0:
        return picture
    mixed = np.clip(0.9 * picture[..., 0] - 0.5 * picture[..., 2] + 80, 0, 310) / 310
    return clipped(np.repeat((160 * mixed**0.7)[..., None], 3, 2) + noise(picture.shape, second, 5.0))


def dimmed(picture: Image, second: int) -> Image:
    """The lights go off: 15 % is left, with noise."""
    return picture if second < 0 else clipped(0.15 * picture + noise(picture.shape, second, 2.0))


def night_with_lamp(picture: Image, second: int) -> Image:
    """Night but for a lamp and what it lights, 2 % of the picture."""
    if second < 0:
        return picture
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    away = np.hypot(rows - picture.shape[0] / 3, columns - picture.shape[1] / 2) / picture.shape[1]
    glow = np.exp(-((away / 0.07) ** 2))[..., None]
    return clipped((0.03 + glow) * picture + 120 * glow + noise(picture.shape, second, 2.0))


def rain(picture: Image, second: int) -> Image:
    """Streaks, and less contrast."""
    if second < 0:
        return picture
    wet = clipped(0.7 * picture + 40)
    random_ = np.random.default_rng(second)
    for _ in range(250):
        x, y = int(random_.integers(picture.shape[1])), int(random_.integers(picture.shape[0]))
        cv2.line(wet, (x, y), (x + 2, y + 14), (190, 190, 190), 1)
    return wet


def lorry(picture: Image, second: int) -> Image:
    """The left half of the view is hidden for 40 s by a side with a few lines on it."""
    if not 0 <= second < 40:
        return picture
    hidden, half = picture.copy(), picture.shape[1] // 2
    hidden[:, :half] = 170
    hidden[:: picture.shape[0] // 6, :half] = 60
    return clipped(hidden + noise(picture.shape, second, 1.5))


class Frozen:
    """The picture of the moment it froze, for ever; with `kbps`, encoded anew as H.264 with a key frame each 2.5 s."""

    def __init__(self, kbps: int | None = None) -> None:
        self._kbps = kbps
        self._shown: Iterator[Image] | None = None

    def __call__(self, picture: Image, second: int) -> Image:
        """What is shown."""
        if second < 0:
            self._shown = None
            return picture
        if self._shown is None:
            self._shown = iter([picture] * 1000) if self._kbps is None else _encoded(picture, self._kbps)
        return next(self._shown)


def _encoded(picture: Image, kbps: int) -> Iterator[Image]:
    """One a second of the same picture, encoded as a camera of 10 frames a second would."""
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "veryfast", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate, stream.gop_size = 1000 * kbps, 25
        frame = np.ascontiguousarray(picture[:height, :width])
        for _ in range(10 * FAULT_SECONDS + 10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        for index, decoded in enumerate(container.decode(video=0)):
            if index % 10 == 0:
                shown = picture.copy()
                shown[:height, :width] = decoded.to_ndarray(format="rgb24")
                yield shown


def cases() -> list[Case]:
    """All of them."""
    return [
        Case("frozen, exact", Condition.FROZEN, Frozen()),
        Case("frozen, encoded at 400 kbit/s", Condition.FROZEN, Frozen(400)),
        Case("black", Condition.BLACK, blackened),
        Case("covered, plain", Condition.COVERED, covered_plain),
        Case("covered, dark cloth", Condition.COVERED, covered_dark),
        *(Case(f"shifted by {share:.0%}", Condition.MOVED, shifted(share)) for share in (0.1, 0.2, 0.4)),
        Case("turned by 10 degrees", Condition.MOVED, turned),
        *(Case(f"blurred, {sigma:g} px", Condition.BLURRED, blurred(sigma)) for sigma in (3, 5)),
        Case("blurred more and more", Condition.BLURRED, blurring),
        *(
            Case(name, None, alter)
            for name, alter in {
                "light like infrared": other_light,
                "dimmed to 15 %": dimmed,
                "night with a lamp": night_with_lamp,
                "rain": rain,
                "lorry over half": lorry,
            }.items()
        ),
    ]


UNTOUCHED = Case("untouched", None, lambda picture, _: picture)


def play(clip: str, pictures: Sequence[Image], case: Case, seed: int, seconds: int | None = None) -> Outcome:
    """One camera, from its start."""
    begins = random.Random(seed).randint(*WARM_UP_SECONDS)
    length = seconds or begins + FAULT_SECONDS
    clock, kept = ManualClock(START), Kept()
    camera = Camera(id="cam", url="clip", sampling=SamplingLimits(active_fps=1.0))
    monitor = HealthMonitor(camera, IngestSettings(), kept, clock)
    for second, picture in zip(range(length), to_and_fro(pictures), strict=False):
        shown = case.alter(picture, second - begins)
        jpeg = encode_pixels(shown, 85)
        monitor.frame(EncodedFrame("cam", second, clock.now(), float(second), shown.shape[1], shown.shape[0], jpeg))
        clock.advance(1.0)
    begun = [change for change in kept.changes if change.is_on]
    right = [change for change in begun if change.condition is case.expected]
    noticed = (right[0].at - START).total_seconds() - begins if right else None
    others = [f"{change.condition} at {(change.at - START).total_seconds() - begins:.0f} s" for change in begun]
    wrong = [said for said, change in zip(others, begun, strict=True) if change not in right[:1]]
    return Outcome(clip, case.name, case.expected, length, noticed, wrong)


def run(paths: Sequence[Path], of: Sequence[Case], untouched_seconds: int = UNTOUCHED_SECONDS) -> list[Outcome]:
    """Every clip with every case."""
    outcomes = []
    for number, path in enumerate(paths):
        pictures = one_a_second(path)
        outcomes.append(play(path.name, pictures, UNTOUCHED, number, untouched_seconds))
        outcomes += [play(path.name, pictures, case, 100 * number + index) for index, case in enumerate(of)]
    return outcomes


def show_outcomes(title: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """A row a case; the figures."""
    figures, rows = {}, []
    for name in dict.fromkeys(outcome.case for outcome in outcomes):
        of = [outcome for outcome in outcomes if outcome.case == name]
        noticed = [outcome.noticed_seconds for outcome in of if outcome.noticed_seconds is not None]
        hours = sum(outcome.event_seconds for outcome in of) / 3600
        others = [f"{outcome.clip}: {said}" for outcome in of for said in outcome.others]
        figures[name] = {
            "recall": len(noticed) / len(of) if of[0].expected else None,
            "seconds_to_notice": [min(noticed), statistics.median(noticed), max(noticed)] if noticed else None,
            "false_alarms": others,
            "false_alarms_per_camera_hour": len(others) / hours,
            "missed": [outcome.clip for outcome in of if outcome.expected and outcome.noticed_seconds is None],
        }
        told = f"{len(noticed)} of {len(of)}" if of[0].expected else "-"
        times = f"{statistics.median(noticed):.0f} ({min(noticed):.0f}–{max(noticed):.0f})" if noticed else "-"
        rows.append((name, told, times, f"{len(others)} in {hours:.2f} h", "; ".join(others)[:200]))
    show(title, ["case", "noticed", "seconds to notice", "false alarms", "which"], rows)
    return figures


def scripted_arrivals() -> dict[str, tuple[float, float]]:
    """(median, largest) error of `CaptureClock` in ms, by script; the first second, which no past helps, left out."""
    return {
        "jitter 0-400 ms": _errors(3600, drift=0.0, jitter=0.4),
        "jitter 0-400 ms, drift 100 ppm, 1 h": _errors(3600, drift=100e-6, jitter=0.4),
        "jitter 0-400 ms, drift -100 ppm, 1 h": _errors(3600, drift=-100e-6, jitter=0.4),
        "jitter 0-40 ms, 5 s stall then burst each minute": _errors(3600, drift=0.0, jitter=0.04, stall=5.0),
        "jitter 0-400 ms, camera's clock steps by 1 h": _errors(3600, drift=0.0, jitter=0.4, step=True),
    }


def _errors(
    seconds: int, *, drift: float, jitter: float, stall: float = 0.0, step: bool = False
) -> tuple[float, float]:
    """Of 15 frames a second; a stalled frame arrives when the stall ends, and none overtakes another."""
    chance, clock = random.Random(1), CaptureClock(5.0)
    errors: list[float] = []
    arrived = 0.0
    for index in range(15 * seconds):
        taken = index / 15
        late = taken + chance.uniform(0, jitter)
        arrived = max(arrived, late, taken - taken % 60 + stall if stall and taken >= 60 else late)
        camera_time = START + timedelta(seconds=taken + (3600 if taken > seconds / 2 else 0)) if step else None
        dated = clock.date(taken * (1 + drift), START + timedelta(seconds=arrived), camera_time)
        if taken >= 1.0:
            errors.append(abs((dated.captured_at - START).total_seconds() - taken) * 1000)
    return statistics.median(errors), max(errors)


def cost() -> dict[str, float]:
    """Milliseconds a look for 1080p, and kilobytes a camera."""
    pictures = [cv2.resize(picture, (1920, 1080)) for picture in one_a_second(VIDEOS / "pets09_s2l1_vtest.avi")[:30]]
    frames = [Frame("cam", i, START + timedelta(seconds=i), float(i), picture) for i, picture in enumerate(pictures)]
    figures: dict[str, float] = {}
    for name, given in {"jpeg_ms": [encode(frame, 85) for frame in frames], "pixels_ms": frames}.items():
        tracemalloc.start()
        monitor = HealthMonitor(Camera(id="cam", url="x"), IngestSettings(), Kept(), ManualClock(START))
        monitor.frame(given[0])
        started = time.thread_time()
        for frame in given[1:]:
            monitor.frame(frame)
        figures[name] = 1000 * (time.thread_time() - started) / (len(given) - 1)
        figures["state_kilobytes"] = tracemalloc.get_traced_memory()[0] / 1000
        tracemalloc.stop()
    return figures


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    options = parser(__doc__ or "")
    options.add_argument("--clips", default="", help="only clips with this in their name")
    options.add_argument("--cases", default="", help="only cases with this in their name")
    given = options.parse_args()
    errors, costs = scripted_arrivals(), cost()
    show("CaptureClock, ms", ["arrivals", "median error", "largest"], [(name, *pair) for name, pair in errors.items()])
    show("A look at 1080p, one thread; state of a camera", list(costs), [list(costs.values())])
    chosen = [case for case in cases() if given.cases in case.name]
    outcomes = run([path for path in clips() if given.clips in path.name], chosen)
    figures = show_outcomes("Clips untouched, with faults, and with what is no fault", outcomes)
    if given.save:
        print(save(Path(__file__).stem, {"clock_errors_ms": errors, "cost": costs, "cases": figures}))


if __name__ == "__main__":
    main()
