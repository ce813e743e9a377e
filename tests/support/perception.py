"""Pictures, frames and tiny models for the tests of sampling and perception."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.camera import Camera
from pipeline.contracts.decision import Decision
from pipeline.contracts.frame import Frame, Motion, SampledFrame
from pipeline.contracts.observation import Region
from pipeline.contracts.values import Box, Image
from pipeline.perception.detector import MotionDetector
from pipeline.perception.vision import LocalVision
from pipeline.settings import PerceptionSettings

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORDS = ("<unk>", "<pad>", "<s>", "</s>", "a", "person", "climbs", "the", "fence", "dog")


class DecisionList:
    """Keeps every decision, in order."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []

    def record(self, decision: Decision) -> None:
        self.decisions.append(decision)

    def reasons(self) -> list[str]:
        return [decision.reason for decision in self.decisions]


class MeanEncoder:
    """An encoder whose vectors tell the picture's mean colour; notes the sizes (height, width) it was given."""

    model_id = "mean"
    supports_text = False
    logit_scale = 1.0

    def __init__(self, input_side_px: int | None = None) -> None:
        self.input_side_px = input_side_px
        self.sizes: list[tuple[int, int]] = []

    def warm_up(self) -> None:
        pass

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        self.sizes += [(image.shape[0], image.shape[1]) for image in images]
        means = np.array([image.mean(axis=(0, 1)) + 1 for image in images], np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise NotImplementedError

    def close(self) -> None:
        pass


def small_vision() -> LocalVision:
    """Motion and mean colours: quick, and it looks at pixels."""
    settings = PerceptionSettings(threads=1)
    return LocalVision(MotionDetector(settings), MeanEncoder(), settings)


def at(seconds: float) -> datetime:
    """A moment of the tests' day."""
    return START + timedelta(seconds=seconds)


def camera(camera_id: str = "yard", **sampling: float) -> Camera:
    return Camera.model_validate({"id": camera_id, "url": "synthetic:yard", "sampling": sampling})


def frame(pixels: Image, seconds: float = 0.0, camera_id: str = "yard") -> Frame:
    return Frame(camera_id, round(seconds * 1000), at(seconds), seconds, pixels)


def sampled(pixels: Image, seconds: float = 0.0, camera_id: str = "yard", *boxes: Box) -> SampledFrame:
    motion = Motion(boxes, 0.1 if boxes else 0.0, is_global=False)
    return SampledFrame(frame(pixels, seconds, camera_id), motion, np.zeros((36, 64), np.uint8), "motion")


def region(left: float, top: float = 100.0, score: float = 0.9, label: str = "person", width: float = 40.0) -> Region:
    """A box of 40 x 100 pixels."""
    return Region(Box(left, top, left + width, top + 100.0), label, score)


def yard(width: int = 320, height: int = 240) -> Image:
    """A textured scene in which nothing happens: broad patches, fine grain, a dark and a bright half."""
    rng = np.random.default_rng(7)
    patches = cv2.resize(rng.integers(60, 180, (9, 12), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 8, (height, width))
    shade = np.linspace(0.6, 1.2, width)[None, :]
    luma = np.clip((patches + grain) * shade, 0, 255).astype(np.uint8)
    return np.repeat(luma[..., None], 3, axis=2)


def noisy(pixels: Image, rng: np.random.Generator, deviation: float = 3.0) -> Image:
    """The picture as a sensor sees it."""
    return np.clip(pixels + rng.normal(0, deviation, pixels.shape), 0, 255).astype(np.uint8)


def with_box(pixels: Image, left: int, top: int, width: int = 24, height: int = 60, luma: int = 230) -> Image:
    """The picture with a bright thing in it."""
    changed = pixels.copy()
    changed[top : top + height, max(left, 0) : max(left + width, 0)] = luma
    return changed


def read_video(path: Path, every: int = 1) -> Iterator[tuple[int, Frame]]:
    """(frame number, frame) of a file, by its own frame rate."""
    capture = cv2.VideoCapture(str(path))
    fps = capture.get(cv2.CAP_PROP_FPS)
    number = 0
    while capture.grab():
        if number % every == 0:
            pixels = np.asarray(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB), np.uint8)
            yield number, Frame(path.stem, number, at(number / fps), number / fps, pixels)
        number += 1
    capture.release()


def read_truth(path: Path) -> dict[int, list[tuple[int, Box]]]:
    """MOT15 annotations: 0-based frame number to (id, box)."""
    truth: dict[int, list[tuple[int, Box]]] = {}
    for row in np.loadtxt(path, delimiter=",", usecols=range(6)):
        number, identity, left, top, width, height = row.tolist()
        truth.setdefault(int(number) - 1, []).append((int(identity), Box(left, top, left + width, top + height)))
    return truth


def iou_matrix(ours: list[Box], theirs: list[Box]) -> NDArray[np.float64]:
    return np.array([[one.iou(other) for other in theirs] for one in ours]).reshape(len(ours), len(theirs))


_VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "patch_size": 8,
}
_TEXT = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 64,
    "max_position_embeddings": 16,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "pad_token_id": 1,
}


def _tokenizer() -> object:
    import tokenizers
    import transformers

    words = tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>")
    backend = tokenizers.Tokenizer(words)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )


def make_clip(folder: Path) -> None:
    """A CLIP of random weights, 12 dimensions, in a folder."""
    import transformers

    config = transformers.CLIPConfig(
        text_config={**_TEXT, "projection_dim": 12},
        vision_config={**_VISION, "image_size": 32, "projection_dim": 12},
        projection_dim=12,
    )
    transformers.CLIPModel(config).save_pretrained(folder)
    images = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    transformers.CLIPProcessor(images, _tokenizer()).save_pretrained(folder)


def make_siglip(folder: Path) -> None:
    """A SigLIP of random weights, 16 dimensions."""
    import transformers

    config = transformers.SiglipConfig(text_config=_TEXT, vision_config={**_VISION, "image_size": 32})
    transformers.SiglipModel(config).save_pretrained(folder)
    images = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32})
    transformers.SiglipProcessor(images, _tokenizer()).save_pretrained(folder)


def make_siglip2(folder: Path) -> None:
    """A SigLIP 2 of any resolution, random weights, 16 dimensions."""
    import transformers

    config = transformers.Siglip2Config(text_config=_TEXT, vision_config={**_VISION, "num_patches": 16})
    transformers.Siglip2Model(config).save_pretrained(folder)
    images = transformers.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)
    transformers.Siglip2Processor(images, _tokenizer()).save_pretrained(folder)


def make_dinov2(folder: Path) -> None:
    """A DINOv2 of random weights, 16 dimensions, no text side."""
    import transformers

    config = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, mlp_ratio=2, image_size=32, patch_size=8
    )
    transformers.Dinov2Model(config).save_pretrained(folder)
    transformers.BitImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)


def make_yolos(folder: Path) -> None:
    """A YOLOS of random weights with three classes: always the same weights, since others may leave labels at a tie."""
    import torch
    import transformers

    torch.manual_seed(1)
    config = transformers.YolosConfig(
        **{**_VISION, "image_size": [32, 32]},
        num_detection_tokens=5,
        id2label={0: "person", 1: "car", 2: "handbag"},
        label2id={"person": 0, "car": 1, "handbag": 2},
    )
    transformers.YolosForObjectDetection(config).save_pretrained(folder)
    transformers.YolosImageProcessorPil(size={"shortest_edge": 32, "longest_edge": 64}).save_pretrained(folder)
