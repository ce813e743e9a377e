"""One suite for both ways to the models that see: in this process, and behind calls to replicas in Ray Serve."""

from __future__ import annotations

import tests.support.serve_apps as apps  # isort: skip - before anything that imports Ray

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import jpeg
from pipeline.contracts.frame import Frame, SampledFrame
from pipeline.contracts.observation import MOVING, Sight, Vision
from pipeline.contracts.values import Box
from pipeline.errors import InvalidMessage
from pipeline.runtime.serving.ray_cluster import RUNNING, RayCluster
from pipeline.runtime.serving.served import ServedVision
from tests.support.perception import sampled, small_vision

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore:The `metrics_interval_s` field:DeprecationWarning"),
]


@pytest.fixture(scope="module", params=["local", pytest.param("served", marks=pytest.mark.slow)])
def vision(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vision]:
    """Warm; closed twice at the end."""
    with small_vision_of(request.param, tmp_path_factory.mktemp("encoder")) as vision:
        vision.warm_up()
        yield vision
        vision.close()
        vision.close()


@contextmanager
def small_vision_of(kind: str, folder: Path) -> Iterator[Vision]:
    if kind == "local":
        yield small_vision()
        return
    cluster = RayCluster(num_cpus=1)
    try:
        application = apps.application("encoder", "small_eyes", folder, max_ongoing_requests=96)
        cluster.deploy({"proxy_location": "Disabled", "applications": [application]})
        until = time.monotonic() + 120
        while [one.status for one in cluster.applications()] != [RUNNING]:
            assert time.monotonic() < until, cluster.applications()
            time.sleep(0.2)
        yield ServedVision(apps.LIMITS)
    finally:
        cluster.stop_applications()
        cluster.close()


def picture(red: int, *, is_jpeg: bool = True) -> SampledFrame:
    """Of one colour, with something that moves at a place which tells the colour too."""
    pixels = np.full((48, 64, 3), (red, 100, 100), np.uint8)
    one = sampled(pixels, red, "yard", Box(red, 0, red + 10, 10))
    assert isinstance(one.frame, Frame)
    return replace(one, frame=jpeg.encode(one.frame, 95)) if is_jpeg else one


def broken(red: int) -> SampledFrame:
    """A JPEG that ends in its middle."""
    one = picture(red)
    assert not isinstance(one.frame, Frame)
    return replace(one, frame=replace(one.frame, jpeg=one.frame.jpeg[:60]))


def reds(sights: Sequence[Sight | InvalidMessage]) -> list[float | None]:
    """What each sight says of its picture, by its region; None where there is no sight."""
    return [one.regions[0].box.left if isinstance(one, Sight) else None for one in sights]


def test_one_answer_a_frame_in_order(vision: Vision) -> None:
    """Regions and embedding are of the frame in that place."""
    sights = vision.see([picture(red) for red in (200, 10, 90)])
    assert reds(sights) == [200, 10, 90]
    for red, sight in zip((200, 10, 90), sights, strict=True):
        assert isinstance(sight, Sight)
        assert (sight.regions[0].label, sight.regions[0].track_id) == (MOVING, None)
        expected = np.array([red + 1, 101, 101]) / np.linalg.norm([red + 1, 101, 101])
        assert sight.embedding is not None
        assert sight.embedding.dtype == np.float32
        assert sight.embedding == pytest.approx(expected, abs=0.02)  # JPEG rounds


def test_more_frames_than_any_batch_come_back_whole(vision: Vision) -> None:
    """However they are cut into calls and batches."""
    assert reds(vision.see([picture(red) for red in range(200)])) == list(range(200))


def test_a_bad_frame_fails_alone(vision: Vision) -> None:
    """In its place stands the reason, which names the frame."""
    first, bad, last = vision.see([picture(1), broken(2), picture(3)])
    assert reds([first, last]) == [1, 3]
    assert isinstance(bad, InvalidMessage)
    assert "frame 2000 of yard" in str(bad)


def test_only_bad_frames_are_only_reasons(vision: Vision) -> None:
    """Nothing is raised for what is the frames' own fault."""
    assert reds(vision.see([broken(1), broken(2)])) == [None, None]


def test_no_frames_give_no_answers(vision: Vision) -> None:
    """An empty batch is allowed."""
    assert vision.see([]) == []


def test_pixels_and_jpegs_may_come_together(vision: Vision) -> None:
    """Each is seen as it is."""
    sights = vision.see([picture(50, is_jpeg=False), picture(60)])
    assert reds(sights) == [50, 60]
    assert all(isinstance(sight, Sight) and sight.embedding is not None for sight in sights)


def test_several_threads_get_their_own_answers(vision: Vision) -> None:
    """Calls under way at once do not mix."""
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(vision.see, [picture(red) for red in range(start, start + 5)]) for start in range(24)]
        assert [reds(answer.result()) for answer in answers] == [list(range(start, start + 5)) for start in range(24)]


def test_it_says_which_models_these_are(vision: Vision) -> None:
    """Known once it is warm: what candidates and rules in words go by."""
    assert dict(vision.model_ids) == {"detector": "motion", "encoder": "mean"}
    assert vision.words is not None
    assert (vision.words.model_id, vision.words.supports_text, vision.words.logit_scale) == ("mean", False, 1.0)


def test_closing_one_leaves_the_others(vision: Vision) -> None:
    """A caller that goes away, even twice, takes nothing from those who stay."""
    other = ServedVision(apps.LIMITS) if isinstance(vision, ServedVision) else small_vision()
    other.close()
    other.close()
    assert reds(vision.see([picture(7)])) == [7]
