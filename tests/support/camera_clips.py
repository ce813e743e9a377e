"""What test cameras show: real clips or rendered scenes, coded as cameras code them, and the same view spoilt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from pipeline.contracts.values import Image
from pipeline.scenes import open_scene
from tests.support.rtsp_camera import NORMAL, write_coded, write_h264

FPS = 10
SIZE, LARGE_SIZE = (480, 272), (768, 432)
"""(width, height) in pixels; multiples of 16, as RTP's JPEG wants them."""
SECONDS = 8.0
BLACK, COVERED, FROZEN, LARGE, HEVC, MJPEG = "black", "covered", "frozen", "large", "hevc", "mjpeg"
_GRAIN = 4.0
"""Standard deviation of a sensor's noise, in levels of 255: a rendered scene has none, and would look frozen."""


def scene_pictures(seed: int = 1, seconds: float = SECONDS, after_seconds: float = 24.0) -> list[Image]:
    """The yard with people in it, as a sensor would see it."""
    scene, rng = open_scene("yard", seed=seed, size=SIZE), np.random.default_rng(seed)
    clean = (scene.render(after_seconds + index / FPS)[0] for index in range(int(seconds * FPS)))
    return [_with_grain(pixels, rng) for pixels in clean]


def clip_pictures(video: Path, seconds: float = SECONDS) -> list[Image]:
    """The beginning of a real clip, frame by frame, scaled to `SIZE`."""
    with av.open(str(video)) as container:
        frames = islice(container.decode(video=0), int(seconds * FPS))
        pixels = (frame.to_ndarray(format="rgb24") for frame in frames)
        return [np.asarray(cv2.resize(each, SIZE, interpolation=cv2.INTER_AREA), np.uint8) for each in pixels]


def write_views(
    folder: Path, pictures: Sequence[Image], *, seed: int = 1, codecs: Collection[str] = (HEVC, MJPEG)
) -> dict[str, Path]:
    """The clip as it is (`NORMAL`), spoilt (`BLACK`, `COVERED`, `FROZEN`), larger, and in other codecs."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, num_spoilt = np.random.default_rng(seed), 4 * FPS
    spoilt = {
        BLACK: [_with_grain(np.full_like(each, 3), rng, 1.0) for each in islice(pictures, num_spoilt)],
        COVERED: [_with_grain(np.full_like(each, (96, 84, 72)), rng, 2.0) for each in islice(pictures, num_spoilt)],
    }
    spoilt[FROZEN] = [pictures[0]] * 2 * FPS  # one key frame, and what follows it: the same again at each repetition
    views = {NORMAL: write_h264(folder / "normal.mp4", pictures, FPS, SIZE)}
    views |= {name: write_h264(folder / f"{name}.mp4", each, FPS, SIZE) for name, each in spoilt.items()}
    larger = (np.asarray(cv2.resize(each, LARGE_SIZE), np.uint8) for each in pictures)
    views[LARGE] = write_h264(folder / "large.mp4", larger, FPS, LARGE_SIZE)
    return views | {name: write_coded(folder / f"{name}.mp4", pictures, FPS, SIZE, name) for name in codecs}


def _with_grain(pixels: Image, rng: np.random.Generator, deviation: float = _GRAIN) -> Image:
    grain = rng.normal(0.0, deviation, pixels.shape[:2])[..., None]
    return np.clip(pixels + grain, 0, 255).astype(np.uint8)
