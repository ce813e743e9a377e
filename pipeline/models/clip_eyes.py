"""What the frozen trunk sees in a clip, as arrays that the clip network reads.

In: a clip and the built-in image model. Out: `SeenArrays`, fp16 where it is features, so that they can be kept on
disk and trained on without looking at a pixel again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.contracts.values import Box, Image
from pipeline.models.clip import MAX_FACTS, MAX_FRAMES, MAX_REGIONS, Clip, bounded, slot_of, track_slots
from pipeline.models.clip_network import SeenBatch, frame_width, region_width
from pipeline.models.clip_numbers import (
    NUM_FRAME_NUMBERS,
    NUM_REGION_NUMBERS,
    clip_numbers,
    frame_numbers,
    label_index,
    region_numbers,
)
from pipeline.models.facts import NUM_FACT_NUMBERS, fact_kind_index, numbers_of
from pipeline.models.pixels import Planes, as_rgb, cut_region, resized, whole_frame, with_difference
from pipeline.models.vision import VisionModel, as_pictures

_MAX_WIDTH_PX = 960
"""Wider pictures are halved and so on: a person of 150 px is more than a cut-out holds."""
_FRAMES_FOR_BACKGROUND = 5
"""More cost more than they tell."""
_LEAST_FRAMES = 3
"""With fewer there is no telling background from what stands before it."""


@dataclass(frozen=True, slots=True)
class SeenArrays:
    """One clip as `SeenBatch` has it, without the first axis."""

    frame_look: NDArray[np.float16]
    frame_numbers: NDArray[np.float16]
    frame_mask: NDArray[np.bool_]
    region_look: NDArray[np.float16]
    region_numbers: NDArray[np.float16]
    region_label: NDArray[np.uint8]
    region_slot: NDArray[np.uint8]
    region_mask: NDArray[np.bool_]
    fact_kind: NDArray[np.uint8]
    fact_numbers: NDArray[np.float16]
    fact_slot: NDArray[np.uint8]
    fact_mask: NDArray[np.bool_]
    clip_numbers: NDArray[np.float16]


def look_at(clip: Clip, model: VisionModel) -> tuple[Clip, SeenArrays]:
    """The clip as it was looked at (within its bounds, pictures in RGB), and what was seen."""
    clip = bounded(_prepared(clip))
    background = _background([frame.image for frame in clip.frames])
    slots = track_slots(clip.frames)
    arrays = _empty(model)
    planes = [with_difference(frame.image, background) for frame in clip.frames]
    if planes:
        _fill_frames(arrays, clip, planes, background, model)
    _fill_regions(arrays, clip, planes, model, slots)
    _fill_facts(arrays, clip, slots)
    arrays.clip_numbers[:] = clip_numbers(clip)
    return clip, arrays


def batch_of(clips: Sequence[SeenArrays]) -> SeenBatch:
    """Several clips as one batch of float32, int64 and bool."""
    return SeenBatch(**{
        field.name: _tensor(np.stack([getattr(clip, field.name) for clip in clips])) for field in fields(SeenArrays)
    })  # fmt: skip


def _tensor(array: NDArray[np.generic]) -> Tensor:
    if array.dtype == np.bool_:
        return torch.from_numpy(array)
    return torch.from_numpy(array.astype(np.float32 if array.dtype == np.float16 else np.int64))


def _prepared(clip: Clip) -> Clip:
    """Colour pictures of a bounded width, with the boxes that go with them."""
    frames = []
    for frame in clip.frames:
        image = as_rgb(frame.image)
        scale = min(_MAX_WIDTH_PX / image.shape[1], 1.0)
        if scale < 1:
            image = resized(image, (_MAX_WIDTH_PX, max(round(image.shape[0] * scale), 1)))
        regions = tuple(replace(region, box=_scaled(region.box, scale)) for region in frame.regions)
        frames.append(replace(frame, image=image, regions=regions))
    return replace(clip, frames=tuple(frames))


def _scaled(box: Box, scale: float) -> Box:
    return Box(box.left * scale, box.top * scale, box.right * scale, box.bottom * scale)


def _background(images: Sequence[Image]) -> Image | None:
    """The middle of the frames at each pixel; None for few frames or frames of several sizes."""
    if len(images) < _LEAST_FRAMES or len({image.shape for image in images}) > 1:
        return None
    some = np.stack(images[:: -(-len(images) // _FRAMES_FOR_BACKGROUND)])
    middle: Image = np.sort(some, axis=0)[len(some) // 2]
    return middle


def _empty(model: VisionModel) -> SeenArrays:
    size, half = model.size, np.float16
    regions = (MAX_FRAMES, MAX_REGIONS)
    return SeenArrays(
        frame_look=np.zeros((MAX_FRAMES, frame_width(size)), half),
        frame_numbers=np.zeros((MAX_FRAMES, NUM_FRAME_NUMBERS), half),
        frame_mask=np.zeros(MAX_FRAMES, bool),
        region_look=np.zeros((*regions, region_width(size)), half),
        region_numbers=np.zeros((*regions, NUM_REGION_NUMBERS), half),
        region_label=np.zeros(regions, np.uint8),
        region_slot=np.zeros(regions, np.uint8),
        region_mask=np.zeros(regions, bool),
        fact_kind=np.zeros(MAX_FACTS, np.uint8),
        fact_numbers=np.zeros((MAX_FACTS, NUM_FACT_NUMBERS), half),
        fact_slot=np.zeros(MAX_FACTS, np.uint8),
        fact_mask=np.zeros(MAX_FACTS, bool),
        clip_numbers=np.zeros(len(clip_numbers(Clip((), ""))), half),
    )


def _fill_frames(
    arrays: SeenArrays, clip: Clip, planes: Sequence[Planes], background: Image | None, model: VisionModel
) -> None:
    count = len(clip.frames)
    arrays.frame_look[:count] = _frames_look(model, [whole_frame(each) for each in planes])
    still = clip.frames[0].image if background is None else background
    arrays.frame_numbers[:count] = frame_numbers(clip, still)
    arrays.frame_mask[:count] = True


def _fill_regions(
    arrays: SeenArrays, clip: Clip, planes: Sequence[Planes], model: VisionModel, slots: dict[int, int]
) -> None:
    numbers = region_numbers(clip, slots)
    cut: list[Planes] = []
    for index, frame in enumerate(clip.frames):
        count = len(frame.regions)
        cut += [cut_region(planes[index], region.box) for region in frame.regions]
        arrays.region_numbers[index, :count] = numbers[index]
        arrays.region_label[index, :count] = [label_index(region.label) for region in frame.regions]
        arrays.region_slot[index, :count] = [slot_of(region.track_id, slots) for region in frame.regions]
        arrays.region_mask[index, :count] = True
    if cut:
        arrays.region_look[arrays.region_mask] = _regions_look(model, cut)


def _fill_facts(arrays: SeenArrays, clip: Clip, slots: dict[int, int]) -> None:
    count = len(clip.facts)
    arrays.fact_kind[:count] = [fact_kind_index(fact.kind) for fact in clip.facts]
    arrays.fact_numbers[:count] = numbers_of(clip.facts, clip.zone_name)
    arrays.fact_slot[:count] = [slot_of(fact.track_id, slots) for fact in clip.facts]
    arrays.fact_mask[:count] = True


@torch.inference_mode()
def _frames_look(model: VisionModel, planes: Sequence[Planes]) -> NDArray[np.float32]:
    tokens = model.trunk(as_pictures(torch.from_numpy(np.stack(planes))))
    cells = model.grid(tokens).float().softmax(-1)
    look: NDArray[np.float32] = torch.cat((model.embed(tokens), cells.amax(1), cells.mean(1)), 1).numpy()
    return look


@torch.inference_mode()
def _regions_look(model: VisionModel, planes: Sequence[Planes]) -> NDArray[np.float32]:
    feature, logits = model.regions(model.trunk(as_pictures(torch.from_numpy(np.stack(planes)))))
    scores = [logits[name].softmax(-1) for name in ("label", "pose", "action")] + [logits["carrying"].sigmoid()]
    look: NDArray[np.float32] = torch.cat((feature.float(), *scores), 1).numpy()
    return look
