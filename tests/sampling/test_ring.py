"""The ring of recent frames, and JPEG there and back."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pipeline.errors import InvalidMessage
from pipeline.sampling.jpeg import decode, encode
from pipeline.sampling.ring import FrameRing
from pipeline.settings import SamplingSettings
from tests.support.perception import at, frame, yard


def test_colours_survive() -> None:
    """Red stays red: RGB in, RGB out."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :30] = (200, 30, 60)
    back = decode(encode(frame(pixels), 95).jpeg)
    assert back[20, 10].tolist() == pytest.approx([200, 30, 60], abs=6)  # JPEG rounds
    assert back[20, 50].tolist() == pytest.approx([0, 0, 0], abs=6)


@pytest.mark.parametrize("size", [(1, 1), (240, 320), (4320, 7680)], ids=["1x1", "320x240", "8K"])
def test_any_size_goes_there_and_back(size: tuple[int, int]) -> None:
    """The header tells the size, and the pixels have it."""
    encoded = encode(frame(np.full((*size, 3), 100, np.uint8)), 85)
    assert (encoded.height, encoded.width) == size
    assert decode(encoded.jpeg).shape == (*size, 3)


@pytest.mark.parametrize(("reduction", "shape"), [(2, (120, 160, 3)), (4, (60, 80, 3)), (8, (30, 40, 3))])
def test_decoding_at_a_fraction(reduction: int, shape: tuple[int, ...]) -> None:
    """A JPEG can be decoded at a half, a quarter, an eighth."""
    assert decode(encode(frame(yard()), 85).jpeg, reduction).shape == shape  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "damage",
    [lambda _: b"", lambda _: b"no jpeg", lambda jpeg: jpeg[: len(jpeg) // 2], lambda _: b"\xff\xd8junk\xff\xd9"],
    ids=["empty", "text", "cut", "hollow"],
)
def test_a_damaged_jpeg_is_an_invalid_message(damage: object) -> None:
    """Bytes that are no whole JPEG are set aside, not shown half grey."""
    with pytest.raises(InvalidMessage, match="expected a JPEG"):
        decode(damage(encode(frame(yard()), 85).jpeg))  # type: ignore[operator]


def test_a_picture_jpeg_cannot_hold_is_an_invalid_message() -> None:
    """A side over 65,500 pixels is refused by name."""
    with pytest.raises(InvalidMessage, match="70000x1"):
        encode(frame(np.zeros((1, 70_000, 3), np.uint8)), 85)


def test_the_ring_keeps_its_rate_and_what_it_must() -> None:
    """Of 25 frames a second 5 are kept, and every sampled one besides."""
    ring = FrameRing(SamplingSettings(ring_fps=5))
    for n in range(50):
        ring.add(frame(yard(64, 48), n / 25), must_keep=n == 23)
    kept = [encoded.captured_at for encoded in ring.between(at(0), at(2))]
    assert at(23 / 25) in kept
    assert 10 <= len(kept) <= 11
    assert kept == sorted(kept)


def test_the_ring_forgets_by_time() -> None:
    """Frames older than `ring_for` are gone."""
    ring = FrameRing(SamplingSettings(ring_for=2.0, ring_fps=5))
    for n in range(50):
        ring.add(frame(yard(64, 48), n / 5), must_keep=False)
    assert [encoded.captured_at for encoded in ring.between(at(0), at(10))] == [at(n / 5) for n in range(39, 50)]


def test_the_ring_forgets_by_bytes() -> None:
    """However large the pictures, the ring stays below its bytes, and its count is what it holds."""
    rng = np.random.default_rng(0)
    ring = FrameRing(SamplingSettings(ring_max_bytes=1_000_000))
    for n in range(12):
        ring.add(frame(rng.integers(0, 255, (480, 640, 3), np.uint8), n / 5), must_keep=True)
    held = ring.between(at(0), at(10))
    assert ring.num_bytes == sum(len(encoded.jpeg) for encoded in held) <= 1_000_000
    assert held[-1].captured_at == at(11 / 5)


def test_the_nearest_frame_in_time() -> None:
    """The frame nearest to a moment, before or after; none of an empty ring."""
    ring = FrameRing(SamplingSettings())
    assert ring.nearest(at(0)) is None
    for n in range(5):
        ring.add(frame(yard(64, 48), float(n)), must_keep=True)
    near = ring.nearest(at(2.6))
    assert near is not None
    assert near.captured_at == at(3)


def test_another_thread_may_read() -> None:
    """Reading while frames come and go gives whole stretches, never an error."""
    ring = FrameRing(SamplingSettings(ring_for=1.0))
    is_done = threading.Event()
    stretches: list[bool] = []

    def read() -> None:
        while not is_done.is_set():
            times = [encoded.captured_at for encoded in ring.between(at(0), at(100))]
            stretches.append(times == sorted(times))

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(300):
        ring.add(frame(yard(64, 48), n / 10), must_keep=True)
    is_done.set()
    reader.join()
    assert all(stretches)
