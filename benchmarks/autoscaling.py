"""A burst of cameras on a cluster that scales itself: replicas come, the oldest frame's age returns under its limit,
replicas go.

The configuration is that of `sightline cluster up`, with the shipped policies, for watchers and encoder, the two
stages that frames pass; delays are short so that it takes minutes. The encoder's model sleeps for a time a batch and a
time a frame, one batch at a time, as a GPU would take them: replicas matter though the cores are few. Watchers are
real, gate included, and thin nothing out here (`late_after`), so that only more replicas can bring the age down.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from measure import RESULTS, parser, save, show
from simulated import Camera, broker, pictures, publish_paced, write_site
from toy_models import application_of, with_toy_models

from pipeline.app.serve_config import ENCODER, WATCHERS, serve_config
from pipeline.runtime.serving.autoscale import AGE_STAT, LAG_STAT
from pipeline.runtime.serving.ray_cluster import RUNNING, RayCluster
from pipeline.settings import load_settings
from pipeline.site import load_site
from pipeline.transport.kafka import KafkaBus

mpl.use("Agg")
from matplotlib import pyplot as plt

SIZE_PX = (160, 90)
"""Small, so that two cores do for the watchers: the encoder is what is short here."""
CAMERAS, CALM_CAMERAS = 24, 4
BURST_FPS, CALM_FPS = 120.0, 12.0
"""Of all cameras together."""
BATCH_FRAMES = 16
BATCH_SECONDS, FRAME_SECONDS = 0.02, 0.018
ENCODER_FPS = BATCH_FRAMES / (BATCH_SECONDS + BATCH_FRAMES * FRAME_SECONDS)
"""What one replica of the encoder can take: 52."""
AGE_LIMIT_SECONDS = 2.0
LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 90.0
FILE = "autoscaling"


@dataclass(frozen=True)
class Moment:
    """What was seen at one time."""

    seconds: float
    """Since the burst began."""
    frames_in: int
    """Published by then."""
    age_seconds: float
    """Of the oldest frame that is not done."""
    lag: float
    """Frames that are not done."""
    watchers: int
    """Replicas that run."""
    encoders: int


class Run:
    """One deployed cluster with its cameras, looked at twice a second."""

    def __init__(self, cluster: RayCluster, bus: KafkaBus) -> None:
        self.moments: list[Moment] = []
        self._cluster = cluster
        self._bus = bus
        jpegs = pictures(24, SIZE_PX, grain=0.0)
        self._cameras = [Camera(number, jpegs, SIZE_PX) for number in range(CAMERAS)]
        self._began = time.monotonic()
        self._over = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at it meanwhile."""
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def calm(self, until: Callable[[], bool], at_least_seconds: float) -> None:
        """Few cameras, until it is so."""
        started = time.monotonic()
        while time.monotonic() < started + at_least_seconds or not until():
            publish_paced(self._bus, self._cameras[:CALM_CAMERAS], CALM_FPS, 1.0)
            if time.monotonic() > started + at_least_seconds + PATIENCE_SECONDS:
                return

    def burst(self, seconds: float) -> None:
        """All cameras."""
        self._began = time.monotonic()
        publish_paced(self._bus, self._cameras, BURST_FPS, seconds)

    def since_burst(self) -> list[Moment]:
        """With times since it began; those before are negative."""
        return [Moment(**{**asdict(one), "seconds": one.seconds - self._began}) for one in self.moments]

    def is_smallest(self) -> bool:
        """One replica each, and nothing owed."""
        last = self.moments[-1] if self.moments else None
        return last is not None and last.watchers == last.encoders == 1 and last.age_seconds < AGE_LIMIT_SECONDS

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            replicas = {one.name: one.replicas.get(RUNNING, 0) for one in self._cluster.applications()}
            stats = self._cluster.stats(WATCHERS)
            if not stats:
                continue
            published = sum(camera.sequence for camera in self._cameras)
            age = max(one[AGE_STAT] for one in stats)
            lag = sum(one[LAG_STAT] for one in stats)
            now = time.monotonic()
            self.moments.append(Moment(now, published, age, lag, replicas[WATCHERS], replicas[ENCODER]))


@contextmanager
def deployed() -> Iterator[Run]:
    """Broker and cluster; the watchers have joined."""
    with broker() as (folder, servers):
        replicas = {"min": 1, "num_cpus": 0.5}
        site_path = write_site(
            folder,
            CAMERAS,
            {"active_fps": 12},
            models={"encoder": "toy"},
            settings={
                "data_dir": str(folder / "data"),
                "log_level": "warning",
                "drain_for": 5,
                "bus": {"servers": servers, "session_timeout": 6, "late_after": 120},
                "cluster": {
                    "batch_frames": BATCH_FRAMES,
                    "oldest_frame_limit": AGE_LIMIT_SECONDS,
                    "scale_up_after": 2,
                    "scale_down_after": 15,
                    "watchers": {**replicas, "max": 3},
                    "encoder": {**replicas, "max": 6},
                },
            },
        )
        (folder / "data").mkdir()
        site = load_site(site_path)
        settings = load_settings(site.settings)
        bus = KafkaBus(settings.bus, "cameras")
        bus.ensure_topics()
        config = serve_config(site, settings, str(site_path))
        encoder = with_toy_models(application_of(config, ENCODER), BATCH_SECONDS, FRAME_SECONDS)
        with closing(RayCluster(num_cpus=8)) as cluster:
            cluster.deploy({**config, "applications": [application_of(config, WATCHERS), encoder]})
            while not all(one.status == RUNNING for one in cluster.applications()):
                time.sleep(LOOK_SECONDS)
            run = Run(cluster, bus)
            with run.watched():
                yield run
            cluster.stop_applications()


def figures_of(moments: Sequence[Moment]) -> dict[str, Any]:
    """What the claim is about; times in seconds since the burst began, None for what did not happen."""
    burst = [one for one in moments if one.seconds >= 0]
    most = max(burst, key=lambda one: one.watchers + one.encoders)
    late = [one.seconds for one in burst if one.age_seconds > AGE_LIMIT_SECONDS]
    peak = max(burst, key=lambda one: one.age_seconds)
    smallest = [one.seconds for one in burst if one.seconds > most.seconds and one.watchers == one.encoders == 1]
    return {
        "first_new_replica_s": next((one.seconds for one in burst if one.watchers + one.encoders > 2), None),
        "most_watchers": max(one.watchers for one in burst),
        "most_encoders": max(one.encoders for one in burst),
        "peak_age_s": peak.age_seconds,
        "peak_at_s": peak.seconds,
        "over_limit_from_s": late[0] if late else None,
        "under_limit_for_good_s": late[-1] if late else None,
        "median_age_after_s": statistics.median(
            [one.age_seconds for one in burst if one.seconds > (late[-1] if late else 0)] or [0.0]
        ),
        "back_to_one_each_s": smallest[0] if smallest else None,
        "changes_of_replicas": sum(
            (a.watchers, a.encoders) != (b.watchers, b.encoders) for a, b in itertools.pairwise(moments)
        ),
    }


def draw(moments: Sequence[Moment], burst_seconds: float, path: Path) -> None:
    """Frames a second in, age and replicas over time."""
    times = [one.seconds for one in moments]
    figure, (rates, ages, replicas) = plt.subplots(3, 1, figsize=(9, 7), sharex=True, layout="constrained")
    pairs = list(itertools.pairwise(moments))
    rates.plot(times[1:], [(b.frames_in - a.frames_in) / (b.seconds - a.seconds) for a, b in pairs])
    rates.set_ylabel("frames/s in")
    ages.plot(times, [one.age_seconds for one in moments])
    ages.axhline(AGE_LIMIT_SECONDS, linestyle="--", color="grey", label="limit")
    ages.set_ylabel("age of the oldest frame, s")
    ages.legend()
    replicas.step(times, [one.encoders for one in moments], where="post", label="encoder")
    replicas.step(times, [one.watchers for one in moments], where="post", label="watchers")
    replicas.set_ylabel("replicas that run")
    replicas.set_xlabel("seconds since the burst began")
    replicas.legend()
    for axes in (rates, ages, replicas):
        axes.axvspan(0, burst_seconds, alpha=0.08)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.suptitle(f"{CALM_CAMERAS} cameras, {CAMERAS} in the burst; an encoder takes {ENCODER_FPS:.0f}/s")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run, print, draw, and with `--save` keep figures and drawing."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--quick", action="store_true", help="a short burst: a check of the script")
    arguments.add_argument("--seconds", type=float, default=100.0, help="length of the burst")
    given = arguments.parse_args()
    burst_seconds = 30.0 if given.quick else given.seconds
    with deployed() as run:
        run.calm(run.is_smallest, 20.0)
        run.burst(burst_seconds)
        run.calm(run.is_smallest, 10.0)
        run.calm(lambda: True, 5.0)
    moments = run.since_burst()
    figures = figures_of(moments)
    show("A burst of cameras", ("", ""), list(figures.items()))
    path = RESULTS / f"{FILE}.png" if given.save else Path(tempfile.gettempdir(), f"{FILE}.png")
    draw(moments, burst_seconds, path)
    print("drawn", path)
    if given.save:
        print("saved", save(FILE, {"figures": figures, "moments": [asdict(one) for one in moments]}))


if __name__ == "__main__":
    main()
