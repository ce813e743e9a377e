"""The models of one process: order, isolation of bad frames, frames of either kind, several callers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.contracts.decision import NullDecisionSink
from pipeline.contracts.frame import EncodedFrame, Frame, Motion, SampledFrame
from pipeline.contracts.observation import Detector, Observation, Region, Sight
from pipeline.contracts.values import Box, Image
from pipeline.errors import ConfigError, InvalidMessage, Overloaded, StageFailed, TransientError
from pipeline.jpeg import Reduction, decode, decode_frame, encode, pixels_of
from pipeline.perception.crops import cut_out, worth_a_look
from pipeline.perception.detector import MotionDetector
from pipeline.perception.onnx import YoloxDetector
from pipeline.perception.stage import PerceptionStage
from pipeline.perception.vision import LocalVision
from pipeline.settings import PerceptionSettings
from tests.support.perception import MeanEncoder, frame, read_video, sampled

SETTINGS = PerceptionSettings(threads=2)
BAD_LUMA = 13
BOX = Box(20, 100, 60, 200)


class PictureDetector:
    """One region as wide as the picture, its score told by the picture's first pixel; can be told to fail.

    A batch with a picture of luma 13 in it raises `error`.
    """

    model_id = "pictures"

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error
        self.calls_under_way = 0
        self.most_calls_under_way = 0

    def warm_up(self) -> None:
        pass

    def detect(self, frames: Sequence[SampledFrame]) -> list[tuple[Region, ...]]:
        self.calls_under_way += 1
        self.most_calls_under_way = max(self.calls_under_way, self.most_calls_under_way)
        pictures = [pixels_of(one.frame) for one in frames]
        threading.Event().wait(0.001)
        self.calls_under_way -= 1
        if self._error is not None and any((picture == BAD_LUMA).all() for picture in pictures):
            raise self._error
        return [(Region(Box(0, 0, p.shape[1], p.shape[0]), "wall", float(p[0, 0, 0]) / 255),) for p in pictures]

    def close(self) -> None:
        pass


def vision(detector: Detector | None = None, encoder: MeanEncoder | None = None) -> LocalVision:
    return LocalVision(detector or MotionDetector(SETTINGS), encoder, SETTINGS)


def flat(luma: int, seconds: float = 0.0, width: int = 64, height: int = 48) -> SampledFrame:
    return sampled(np.full((height, width, 3), luma, np.uint8), seconds, "yard", BOX)


def as_jpeg(one: SampledFrame) -> SampledFrame:
    assert isinstance(one.frame, Frame)
    return replace(one, frame=encode(one.frame, 95))


def broken(one: SampledFrame) -> SampledFrame:
    encoded = as_jpeg(one).frame
    assert isinstance(encoded, EncodedFrame)
    return replace(one, frame=replace(encoded, jpeg=encoded.jpeg[:60]))


def scores(sights: Sequence[Sight | InvalidMessage]) -> list[float | None]:
    return [None if isinstance(one, InvalidMessage) else one.regions[0].score for one in sights]


def test_frames_of_both_kinds_come_back_in_order() -> None:
    """A batch of pixels and JPEGs, of several sizes, gives one sight a frame, each its own."""
    frames = [flat(20, width=640), as_jpeg(flat(60)), flat(100), as_jpeg(flat(140, width=128))]
    seen = vision(PictureDetector(), MeanEncoder()).see(frames)
    assert scores(seen) == pytest.approx([20 / 255, 60 / 255, 100 / 255, 140 / 255], abs=0.01)  # JPEG rounds
    assert [one.regions[0].box.right for one in seen if isinstance(one, Sight)] == [640, 64, 64, 128]
    assert all(isinstance(one, Sight) and one.embedding is not None for one in seen)


def test_a_frame_that_fails_the_model_fails_alone() -> None:
    """What one frame does to the model is said in its place; the others of the batch are seen."""
    target = vision(PictureDetector(RuntimeError("shape mismatch")))
    seen = target.see([flat(20), flat(BAD_LUMA, 0.2), flat(60)])
    assert [type(one) for one in seen] == [Sight, InvalidMessage, Sight]
    assert "frame 200 of yard (64x48) fails the model: shape mismatch" in str(seen[1])


def test_a_jpeg_that_cannot_be_decoded_fails_alone() -> None:
    """Its place says which frame it was; the others are seen, and a batch of nothing else is no trouble."""
    target = vision(PictureDetector(), MeanEncoder())
    seen = target.see([as_jpeg(flat(20)), broken(flat(60, 0.2)), as_jpeg(flat(100))])
    assert scores(seen) == pytest.approx([20 / 255, None, 100 / 255], abs=0.01)
    assert "frame 200 of yard: expected a JPEG" in str(seen[1])
    assert [type(one) for one in target.see([broken(flat(60))])] == [InvalidMessage]


@pytest.mark.parametrize(
    "error",
    [StageFailed("broken"), TransientError("busy"), Overloaded("full"), ConfigError("no model")],
    ids=lambda error: type(error).__name__,
)
def test_what_is_no_frames_fault_is_raised(error: Exception) -> None:
    """A broken worker is not taken for a row of bad frames."""
    with pytest.raises(type(error)):
        vision(PictureDetector(error)).see([flat(20), flat(BAD_LUMA)])


def test_a_model_that_loses_frames_fails_the_stage() -> None:
    """A batch must come back whole; which answer belongs to which frame could not be told otherwise."""

    class Forgetful(MotionDetector):
        def detect(self, frames: Sequence[SampledFrame]) -> list[tuple[Region, ...]]:
            return super().detect(frames)[1:]

    with pytest.raises(StageFailed, match="expected 2 results of a batch, got 1"):
        vision(Forgetful(SETTINGS)).see([flat(20), flat(60)])


def test_motion_alone_decodes_nothing() -> None:
    """Without a model that looks at pixels, the gate's regions are given, whatever the bytes."""
    whole, hollow = as_jpeg(flat(20)), broken(flat(20))
    seen = vision().see([whole, hollow])
    assert [one.regions for one in seen if isinstance(one, Sight)] == [
        (*MotionDetector(SETTINGS).detect([whole])[0],)
    ] * 2
    assert [one.embedding for one in seen if isinstance(one, Sight)] == [None, None]


@pytest.mark.parametrize(
    ("input_side_px", "expected"),
    [
        (270, (540, 960)),
        (271, (1080, 1920)),
        (100, (270, 480)),
        (67, (135, 240)),
        (8, (135, 240)),
        (None, (1080, 1920)),
    ],
)
def test_for_the_encoder_alone_a_fraction_is_decoded(input_side_px: int | None, expected: tuple[int, int]) -> None:
    """Still twice as large as the encoder's input; regions stay in pixels of the full frame."""
    encoder = MeanEncoder(input_side_px)
    given = as_jpeg(flat(60, width=1920, height=1080))
    (seen,) = vision(encoder=encoder).see([given])
    assert encoder.sizes == [expected]
    assert isinstance(seen, Sight)
    assert seen.regions == MotionDetector(SETTINGS).detect([given])[0]


def test_a_detector_gets_whole_frames() -> None:
    """Whatever the encoder would be content with."""
    encoder = MeanEncoder(8)
    (seen,) = vision(PictureDetector(), encoder).see([as_jpeg(flat(60, width=640, height=480))])
    assert isinstance(seen, Sight)
    assert (seen.regions[0].box, encoder.sizes) == (Box(0, 0, 640, 480), [(480, 640)])


def test_several_callers_get_their_own_answers() -> None:
    """Calls from several threads are answered each with its own frames; the detector has one at a time."""
    detector = PictureDetector()
    target = vision(detector, MeanEncoder())
    answers: dict[int, list[float | None]] = {}

    def call(number: int) -> None:
        frames = [as_jpeg(flat(20 * number + n)) for n in range(4)]
        for _ in range(20):
            answers[number] = scores(target.see(frames))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(1, 5):
        assert answers[number] == pytest.approx([(20 * number + n) / 255 for n in range(4)], abs=0.01)
    assert detector.most_calls_under_way == 1


def test_decoding_goes_on_while_the_model_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the detector is busy with one call, the frames of another are decoded."""
    is_decoded, is_busy, may_finish = threading.Event(), threading.Event(), threading.Event()

    class Busy(PictureDetector):
        def detect(self, frames: Sequence[SampledFrame]) -> list[tuple[Region, ...]]:
            is_busy.set()
            assert may_finish.wait(30)
            return super().detect(frames)

    def noted(one: EncodedFrame, reduction: Reduction) -> Image:
        is_decoded.set()
        return decode_frame(one, reduction)

    monkeypatch.setattr("pipeline.perception.vision.decode_frame", noted)
    target = vision(Busy())
    callers = [threading.Thread(target=target.see, args=([one],)) for one in (flat(20), as_jpeg(flat(60)))]
    callers[0].start()
    assert is_busy.wait(30)
    callers[1].start()
    assert is_decoded.wait(30)
    may_finish.set()
    for caller in callers:
        caller.join()


def test_models_are_named() -> None:
    """Which models see is known, and the encoder's words are its own."""
    encoder = MeanEncoder()
    assert vision(encoder=encoder).model_ids == {"detector": "motion", "encoder": "mean"}
    assert vision(encoder=encoder).words is encoder
    assert vision().model_ids == {"detector": "motion"}
    assert vision().words is None


def test_an_empty_batch_is_nothing() -> None:
    """No frames, no sights; closing twice is allowed."""
    target = vision(PictureDetector(), MeanEncoder())
    target.warm_up()
    assert target.see([]) == []
    target.close()
    target.close()


def scene(*labels: str, width: int = 1920, height: int = 1080) -> SampledFrame:
    """A blue picture with a red thing that moves in it; the encoder is to look at things of these labels."""
    pixels = np.full((height, width, 3), (10, 10, 250), np.uint8)
    pixels[400:500, 800:840] = (250, 10, 10)
    return replace(sampled(pixels, 0.0, "yard", Box(800, 400, 840, 500)), crop_labels=labels)


@pytest.mark.parametrize(
    ("labels", "is_looked_at"),
    [(("moving",), True), (("any",), True), (("person", "moving"), True), (("person",), False), ((), False)],
    ids=["moving", "any", "one of two", "another", "none"],
)
def test_things_asked_for_are_looked_at_by_themselves(labels: tuple[str, ...], is_looked_at: bool) -> None:
    """The red thing's own vector is red, the picture's is blue; what is not asked for has none."""
    (seen,) = vision(encoder=MeanEncoder(100)).see([scene(*labels)])
    assert isinstance(seen, Sight)
    assert seen.embedding is not None
    assert int(seen.embedding.argmax()) == 2
    (found,) = seen.regions
    assert (found.embedding is not None) == is_looked_at
    assert found.embedding is None or found.embedding[0] > 5 * seen.embedding[0]


def test_things_are_cut_out_of_whole_jpegs() -> None:
    """A frame that only the encoder looks at is decoded whole where things are cut out of it, and only there."""
    encoder = MeanEncoder(100)
    still = replace(scene("moving"), motion=Motion((), 0.0, is_global=False))
    vision(encoder=encoder).see([as_jpeg(scene("moving")), as_jpeg(scene("person")), as_jpeg(still)])
    assert encoder.sizes == [(1080, 1920), (270, 480), (270, 480), (120, 120)]


def test_pictures_and_things_go_through_the_encoder_together() -> None:
    """One call for all frames of a batch, each thing's vector in its own frame."""

    class Counting(MeanEncoder):
        calls = 0

        def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
            self.calls += 1
            return super().encode_images(images)

    encoder = Counting()
    seen = vision(encoder=encoder).see([flat(20), scene("moving"), flat(60), scene("any")])
    assert encoder.calls == 1
    assert [one.regions[0].embedding is not None for one in seen if isinstance(one, Sight)] == [False, True] * 2


def test_a_crowd_is_looked_at_in_part() -> None:
    """The eight surest of a label, none smaller than 16 pixels; the others stay as they are."""
    boxes = [Box(100 * n, 0, 100 * n + 20, 40) for n in range(12)]
    regions = [Region(box, "person", n / 20) for n, box in enumerate(boxes)]
    tiny = Region(Box(0, 0, 15, 100), "person", 0.9)
    assert worth_a_look([*regions, tiny, Region(boxes[0], "cat", 0.9)], ("person",)) == [11, 10, 9, 8, 7, 6, 5, 4]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(100, 100, 120, 200), (120, 120)),
        (Box(0, 0, 20, 100), (120, 120)),
        (Box(0, 0, 400, 300), (300, 400)),
        (Box(398, 298, 400, 300), (2, 2)),
    ],
    ids=["standing", "in the corner", "the whole picture", "tiny"],
)
def test_things_are_cut_out_square_with_a_margin(box: Box, expected: tuple[int, int]) -> None:
    """As long as their longer side and a tenth more on each side, within the picture."""
    assert cut_out(np.zeros((300, 400, 3), np.uint8), box).shape[:2] == expected


def test_things_are_cut_out_of_smaller_pixels() -> None:
    """A box in pixels of the full frame, cut out of a picture a quarter as wide."""
    assert cut_out(np.zeros((270, 480, 3), np.uint8), Box(800, 400, 840, 500), 0.25).shape == (30, 30, 3)


def test_a_thing_keeps_its_vector_on_its_track() -> None:
    """The tracker gives ids and leaves vectors alone."""
    stage = PerceptionStage(vision(encoder=MeanEncoder()), SETTINGS, NullDecisionSink())
    for seconds in (0.0, 0.2, 0.4):
        pixels = scene("moving")
        (seen,) = stage.process([replace(pixels, frame=frame(pixels_of(pixels.frame), seconds))])
    assert isinstance(seen, Observation)
    (found,) = seen.regions
    assert found.track_id == 1
    assert found.embedding is not None


@pytest.mark.shared
def test_a_real_detector_sees_the_same_in_jpegs(shared: Path) -> None:
    """YOLOX on frames of PETS as JPEG finds what it finds in their pixels, where it is sure of it."""
    target = vision(YoloxDetector(shared / "weights" / "yolox_nano.onnx", SETTINGS))
    target.warm_up()
    frames = [sampled(one.pixels, n / 10) for n, one in read_video(shared / "videos" / "pets09_s2l1_vtest.avi", 100)]
    pairs = list(zip(target.see(frames), target.see([as_jpeg(one) for one in frames]), strict=True))
    target.close()
    sure = [(region, theirs) for ours, theirs in pairs for region in _regions(ours) if region.score > 0.6]
    matched = sum(any(region.box.iou(other.box) > 0.8 for other in _regions(theirs)) for region, theirs in sure)
    assert matched >= 0.95 * len(sure) > 10


def _regions(sight: Sight | InvalidMessage) -> tuple[Region, ...]:
    assert isinstance(sight, Sight)
    return sight.regions


@pytest.mark.models
@pytest.mark.shared
def test_a_fraction_changes_the_input_less_than_jpeg_did(shared: Path) -> None:
    """What the encoder is given of a JPEG at a half, twice its input, is nearer to what it is given of the whole
    JPEG than that is to what it would be given of the camera's own pixels."""
    import transformers

    processor = transformers.SiglipImageProcessorPil(size={"height": 180, "width": 180})
    video = read_video(shared / "videos" / "dvrscan_traffic_camera.mp4", 150)
    for _, one in video:
        given = encode(one, 85)
        pictures = [one.pixels, decode(given.jpeg), decode(given.jpeg, 2)]
        own, whole, half = processor(pictures, return_tensors="np")["pixel_values"]
        assert np.abs(half - whole).mean() < np.abs(whole - own).mean()
