"""The ring of recent frames."""

from __future__ import annotations

import threading

import numpy as np

from pipeline.jpeg import encode
from pipeline.sampling.ring import FrameRing
from pipeline.settings import SamplingSettings
from tests.support.perception import at, frame, yard


def test_the_ring_keeps_its_rate_and_what_it_must() -> None:
    """Of 25 frames a second 5 are kept, and every sampled one besides."""
    ring = FrameRing(SamplingSettings(ring_fps=5))
    for n in range(50):
        ring.add(frame(yard(64, 48), n / 25), must_keep=n == 23)
    kept = [encoded.captured_at for encoded in ring.between(at(0), at(2))]
    assert at(23 / 25) in kept
    assert 10 <= len(kept) <= 11
    assert kept == sorted(kept)


def test_a_frame_that_came_as_jpeg_is_kept_as_it_is() -> None:
    """The very bytes, never encoded again."""
    ring = FrameRing(SamplingSettings(jpeg_quality=30))
    given = [encode(frame(yard(64, 48), n / 5), 95) for n in range(5)]
    for encoded in given:
        ring.add(encoded, must_keep=False)
    assert [kept.jpeg for kept in ring.between(at(0), at(2))] == [encoded.jpeg for encoded in given]
    assert ring.num_bytes == sum(len(encoded.jpeg) for encoded in given)


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
