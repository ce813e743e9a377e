"""Stages in Ray Serve: hosted, asked, failing, restarted and ended, on a small cluster on this machine."""

from __future__ import annotations

import tests.support.serve_apps as apps  # isort: skip - before anything that imports Ray

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pipeline.contracts.assessment import Prompt
from pipeline.errors import ConfigError, InvalidMessage, Overloaded, TransientError
from pipeline.runtime.serving.ray_cluster import FAILED, RUNNING, ApplicationState, RayCluster
from pipeline.runtime.serving.served import Remote, ServedVision, ServedVlm
from pipeline.runtime.serving.sizing import call_limits
from pipeline.settings import BusSettings, ClusterSettings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore:The `metrics_interval_s` field:DeprecationWarning"),
]
POLICY = {
    "policy_function": "pipeline.runtime.serving.autoscale:OldestAgePolicy",
    "policy_kwargs": {"age_limit_seconds": 2.0, "lag_limit": 64.0},
}
SCALING = {
    "min_replicas": 1,
    "max_replicas": 2,
    "upscale_delay_s": 0.5,
    "downscale_delay_s": 1.0,
    "metrics_interval_s": 0.5,
    "look_back_period_s": 2.0,
}

FROM_ZERO = {"min_replicas": 0, "max_replicas": 1, "downscale_delay_s": 600.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apps")
    for name in ("stage", "wrong", "encoder"):
        (folder / name).mkdir()
    (folder / "wrong" / "wrong").touch()
    (folder / "wrong" / "database").touch()
    return folder


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[RayCluster]:
    """Everything deployed at once; not all of it can run."""
    cluster = RayCluster(num_cpus=4)
    applications = [
        apps.application("stage", "stage", folder / "stage", policy=POLICY, autoscaling_config=SCALING),
        apps.application("wrong", "stage", folder / "wrong"),
        apps.application("missing", "no_such_builder", folder),
        apps.application("encoder", "eyes", folder / "encoder", max_ongoing_requests=96, max_queued_requests=8),
        apps.application("vlm", "vlm", folder, max_ongoing_requests=4, autoscaling_config={**SCALING, **FROM_ZERO}),
    ]
    try:
        cluster.deploy({"proxy_location": "Disabled", "applications": applications})
        yield cluster
    finally:
        cluster.stop_applications()
        cluster.close()


@pytest.fixture(scope="module")
def vision(cluster: RayCluster) -> ServedVision:
    vision = ServedVision(apps.LIMITS)
    wait_for(lambda: state(cluster, "encoder").status == RUNNING)
    vision.warm_up()
    return vision


def wait_for(condition: Callable[[], object], seconds: float = 90.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)


def state(cluster: RayCluster, name: str) -> ApplicationState:
    return next(application for application in cluster.applications() if application.name == name)


def test_a_stage_waits_for_what_is_away(cluster: RayCluster, folder: Path) -> None:
    """Without its database it neither fails nor runs; once that is there, it does."""
    wait_for(lambda: state(cluster, "stage").replicas.get("STARTING"))
    time.sleep(2.0)
    assert state(cluster, "stage").status == "DEPLOYING"
    (folder / "stage" / "database").touch()
    wait_for(lambda: state(cluster, "stage").status == RUNNING)


def test_a_frame_is_answered_in_its_place(vision: ServedVision) -> None:
    """Answers come in the order of the frames, through as many calls as they need."""
    sights = vision.see([apps.picture(first) for first in range(1, 51)])
    assert [sight.regions[0].score * 256 for sight in sights] == list(range(1, 51))


def test_calls_become_one_batch(vision: ServedVision) -> None:
    """Two calls of half a batch each, of two watchers, reach the model as one."""

    def seen_at_once() -> set[float]:
        with ThreadPoolExecutor(2) as watchers:
            calls = watchers.map(vision.see, [[apps.picture() for _ in range(16)]] * 2)
            return {float(sight.embedding[0]) for sights in calls for sight in sights}

    wait_for(lambda: seen_at_once() == {32.0})


def test_a_bad_frame_fails_only_itself(vision: ServedVision) -> None:
    """The others of its call are answered."""
    first, bad, last = vision.see([apps.picture(1), apps.picture(2, size=0), apps.picture(3)])
    assert (first.regions[0].score, last.regions[0].score) == (1 / 256, 3 / 256)
    assert isinstance(bad, InvalidMessage)


def test_a_full_model_is_overloaded(vision: ServedVision) -> None:
    """What the model's process raised is what the caller gets."""
    with pytest.raises(Overloaded, match="no room"):
        vision.see([apps.picture(camera_id="full")])


def test_a_slow_model_is_transient(vision: ServedVision) -> None:
    """A call that is not answered in time may be made again."""
    hasty = ServedVision(apps.LIMITS, timeout_seconds=0.5)
    with pytest.raises(TransientError, match="did not answer in time"):
        hasty.see([apps.picture(camera_id="slow")])


def test_an_unforeseen_failure_is_transient(vision: ServedVision) -> None:
    """It says what happened in the model's process."""
    with pytest.raises(TransientError, match="the device is on fire"):
        vision.see([apps.picture(camera_id="burns")])
    vision.see([apps.picture()])  # and the count of failures in a row begins anew


def test_a_call_beyond_a_batch_is_a_mistake_of_the_configuration(vision: ServedVision) -> None:
    """A caller with other settings than the encoder is told so."""
    other = ServedVision(call_limits(ClusterSettings(batch_frames=128), BusSettings()))
    with pytest.raises(ConfigError, match=r"cluster\.batch_frames is 32 here"):
        other.see([apps.picture() for _ in range(33)])


def test_large_pictures_travel(vision: ServedVision) -> None:
    """15 MB in one call: Ray's default of 4 MB a message is raised by what the configuration sets."""
    sights = vision.see([apps.picture(size=1_000_000) for _ in range(15)])
    assert len(sights) == 15


def test_words_are_encoded_there_and_kept_here(vision: ServedVision) -> None:
    """The same text asked twice comes back from the caller's own memory, in order."""
    assert vision.words is not None
    assert (vision.words.model_id, vision.words.logit_scale) == ("toy-words", 2.5)
    rows = vision.words.encode_texts(["a", "bbb", "a"])
    assert rows[:, 0].tolist() == [1.0, 3.0, 1.0]
    assert np.array_equal(vision.words.encode_texts(["bbb"])[0], rows[1])


def test_what_is_not_deployed_is_transient(cluster: RayCluster) -> None:
    """A caller waits for an encoder that somebody is still to deploy."""
    with pytest.raises(TransientError, match="nowhere is not deployed"):
        ServedVision(apps.LIMITS, remote=Remote("nowhere")).see([apps.picture()])


def test_a_language_model_that_is_not_running_starts_for_its_first_call(cluster: RayCluster) -> None:
    """Scaled to zero it costs nothing; the call waits for the replica."""
    wait_for(lambda: state(cluster, "vlm").status == RUNNING)
    assert state(cluster, "vlm").replicas == {}
    model = ServedVlm("toy-vlm", 60.0)
    assert model.verdict(Prompt("hello", (), "1")).text == "hello"
    assert model.report(Prompt("hello", (), "1"), {"title": 1, "frames": 2}) == "hello ['frames', 'title']"


@pytest.mark.parametrize("error", [Overloaded, InvalidMessage, TransientError])
def test_what_a_language_model_raises_survives_the_trip(cluster: RayCluster, error: type[Exception]) -> None:
    """The reasoner's retries and its breaker go by these."""
    system = {Overloaded: "busy", InvalidMessage: "nonsense", TransientError: "away"}[error]
    wait_for(lambda: state(cluster, "vlm").status == RUNNING)
    with pytest.raises(error, match=system):
        ServedVlm("toy-vlm", 60.0).verdict(Prompt(system, (), "1"))


def test_a_wrong_configuration_is_one_clear_message(cluster: RayCluster) -> None:
    """No traceback, and it is known for a mistake of the configuration."""
    wait_for(lambda: state(cluster, "wrong").is_misconfigured)
    assert state(cluster, "wrong").reason == "models.encoder: expected a folder, got nothing; name another"


def test_an_application_that_cannot_be_imported_says_why(cluster: RayCluster) -> None:
    """The others go on."""
    wait_for(lambda: state(cluster, "missing").status == FAILED)
    assert "no_such_builder" in state(cluster, "missing").reason
    assert state(cluster, "vlm").status == RUNNING


def test_an_unhealthy_stage_is_restarted(cluster: RayCluster, folder: Path) -> None:
    """A stale poll loop ends the replica, after its service was stopped; another one takes its place."""
    (folder / "stage" / "database").touch()
    wait_for(lambda: cluster.stats("stage"))
    pid = int(cluster.stats("stage")[0]["pid"])
    (folder / "stage" / f"sick-{pid}").touch()
    wait_for(lambda: pid not in {int(stats["pid"]) for stats in cluster.stats("stage")} and cluster.stats("stage"))
    wait_for((folder / "stage" / f"stopped-{pid}").exists)
    assert (folder / "stage" / f"stopped-{pid}").read_text() == "2.0"


def test_a_stage_that_is_late_gets_more_replicas_and_loses_them_again(cluster: RayCluster, folder: Path) -> None:
    """The application's policy sees what the replicas report within seconds."""
    (folder / "stage" / "database").touch()
    wait_for(lambda: len(cluster.stats("stage")) == 1)
    (folder / "stage" / "age").write_text("30")
    wait_for(lambda: len(cluster.stats("stage")) == 2)
    (folder / "stage" / "age").write_text("0")
    wait_for(lambda: state(cluster, "stage").replicas == {"RUNNING": 1})


def test_an_encoder_that_dies_is_transient_and_comes_back(vision: ServedVision) -> None:
    """`kill -9` under a call: the caller is told to try again; the next call waits for the new replica."""
    assert vision.words is not None
    pid = int(vision.words.encode_texts(["whose pid is this"])[0, 1])
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(vision.see, [apps.picture(camera_id="slow")])
        time.sleep(0.5)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(TransientError, match="encoder cannot now"):
            under_way.result()
    assert len(vision.see([apps.picture()])) == 1
