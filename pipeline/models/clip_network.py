"""The network that judges a clip: what is seen, then what the rule asks beside it.

    frames, regions, facts ─► seeing (3 layers) ─► what happens (one logit a situation)
                                   │ tokens
    the rule's parts ──────────────┴► judging (3 layers) ─► yes / no / cannot tell
                                   └► decoder (`decoder.py`): the report

A rule comes in as its parts (`claim_parts`, read by `rule_reader`), never as words: they look at the clip's tokens,
layer by layer. Pictures come in as features of the frozen trunk, so that this is trained without looking at a pixel
again. A clip is seen once and asked many rules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from pipeline.models.claim_parts import PART_SIZES
from pipeline.models.clip import MAX_FRAMES, MAX_REGIONS, MAX_SLOTS
from pipeline.models.clip_numbers import NUM_CLIP_NUMBERS, NUM_FRAME_NUMBERS, NUM_LABELS, NUM_REGION_NUMBERS
from pipeline.models.facts import FACT_KINDS, NUM_FACT_NUMBERS
from pipeline.models.regions import ACTIONS, CARRIED, LABELS, POSES
from pipeline.models.report_language import SITUATIONS
from pipeline.models.trunk import Size

SEEING_LAYERS = 3
JUDGING_LAYERS = 3
DROPOUT = 0.05
NUM_VERDICTS = 3
"""yes, no, cannot tell: in the order of `Verdict3`."""
_HEAD_WIDTH = 32
NUM_HEAD_SCORES = len(LABELS) + len(POSES) + len(ACTIONS) + len(CARRIED)
NUM_GRID_SCORES = 2 * len(LABELS)
_LONGEST_LOG = math.log1p(3600.0)


def region_width(size: Size) -> int:
    """Numbers that the trunk and its heads give for a region."""
    return size.width + NUM_HEAD_SCORES


def frame_width(size: Size) -> int:
    """Numbers for a whole frame: its place among the words, and what its cells show, most and on average."""
    return size.embedding + NUM_GRID_SCORES


@dataclass(frozen=True, slots=True)
class SeenBatch:
    """B clips as tensors; masks are True where something is."""

    frame_look: Tensor
    """(B, F, frame_width)."""
    frame_numbers: Tensor
    """(B, F, NUM_FRAME_NUMBERS)."""
    frame_mask: Tensor
    """(B, F)."""
    region_look: Tensor
    """(B, F, R, region_width)."""
    region_numbers: Tensor
    """(B, F, R, NUM_REGION_NUMBERS)."""
    region_label: Tensor
    """(B, F, R) int64: the detector's."""
    region_slot: Tensor
    """(B, F, R) int64; 0 for none."""
    region_mask: Tensor
    """(B, F, R)."""
    fact_kind: Tensor
    """(B, N) int64."""
    fact_numbers: Tensor
    """(B, N, NUM_FACT_NUMBERS)."""
    fact_slot: Tensor
    """(B, N) int64."""
    fact_mask: Tensor
    """(B, N)."""
    clip_numbers: Tensor
    """(B, NUM_CLIP_NUMBERS)."""

    def to(self, device: str | torch.device) -> SeenBatch:
        """The same on a device."""
        return SeenBatch(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Seen:
    """What was made of B clips; T = 1 + F + F * R + N tokens: the clip, its frames, their regions, the facts."""

    tokens: Tensor
    """(B, T, width)."""
    mask: Tensor
    """(B, T)."""

    def repeat(self, times: int) -> Seen:
        """Each clip `times` times in a row."""
        return Seen(self.tokens.repeat_interleave(times, 0), self.mask.repeat_interleave(times, 0))

    def select(self, rows: Tensor) -> Seen:
        """Some of the clips."""
        return Seen(self.tokens[rows], self.mask[rows])

    @property
    def frames(self) -> Tensor:
        """(B, F, width)."""
        return self.tokens[:, 1 : 1 + MAX_FRAMES]

    @property
    def regions(self) -> Tensor:
        """(B, F * R, width), frame by frame."""
        return self.tokens[:, 1 + MAX_FRAMES : 1 + MAX_FRAMES + MAX_FRAMES * MAX_REGIONS]


class ClipNetwork(nn.Module):
    """Everything but the decoder."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width = size.width
        self.size = size
        self.region_look = nn.Sequential(nn.LayerNorm(region_width(size)), nn.Linear(region_width(size), width))
        self.frame_look = nn.Sequential(nn.LayerNorm(frame_width(size)), nn.Linear(frame_width(size), width))
        self.frame_numbers = _numbers(NUM_FRAME_NUMBERS, width)
        self.region_numbers = _numbers(NUM_REGION_NUMBERS, width)
        self.fact_numbers = _numbers(NUM_FACT_NUMBERS, width)
        self.clip_numbers = _numbers(NUM_CLIP_NUMBERS, width)
        self.rule_parts = nn.ModuleList(nn.Linear(count, width) for count in PART_SIZES)
        self.rule_seconds = _numbers(2, width)
        self.order = nn.Embedding(MAX_FRAMES, width)
        self.label = nn.Embedding(NUM_LABELS, width)
        self.slot = nn.Embedding(MAX_SLOTS + 1, width)
        self.fact_kind = nn.Embedding(len(FACT_KINDS), width)
        self.seeing = _layers(SEEING_LAYERS, width)
        self.situation = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(SITUATIONS)))
        self.judge = nn.Parameter(torch.zeros(1, 1, width))
        self.judging = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(
                width, width // _HEAD_WIDTH, 3 * width, DROPOUT, activation="gelu", batch_first=True, norm_first=True
            ),
            JUDGING_LAYERS,
            norm=nn.LayerNorm(width),
        )
        self.verdict = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, NUM_VERDICTS))
        self.apply(_start)

    def see(self, batch: SeenBatch) -> Seen:
        """Look at the clips, without any rule."""
        clip = self.clip_numbers(batch.clip_numbers)[:, None]
        order = self.order.weight[: batch.frame_mask.shape[1]]
        frames = self.frame_look(batch.frame_look) + self.frame_numbers(batch.frame_numbers) + order
        regions = self.region_look(batch.region_look) + self.region_numbers(batch.region_numbers) + order[:, None]
        regions = regions + self.label(batch.region_label) + self.slot(batch.region_slot)
        facts = self.fact_kind(batch.fact_kind) + self.fact_numbers(batch.fact_numbers) + self.slot(batch.fact_slot)
        there = torch.ones_like(batch.frame_mask[:, :1])
        mask = torch.cat((there, batch.frame_mask, batch.region_mask.flatten(1), batch.fact_mask), 1)
        tokens = torch.cat((clip, frames, regions.flatten(1, 2), facts), 1)
        return Seen(self.seeing(tokens, src_key_padding_mask=~mask), mask)

    def situations(self, seen: Seen) -> Tensor:
        """(B, len(SITUATIONS)) logits, each situation for itself."""
        logits: Tensor = self.situation(seen.tokens[:, 0])
        return logits

    def judged(self, seen: Seen, rules: RuleBatch) -> tuple[Tensor, Seen]:
        """Judge one rule a clip.

        Returns:
            (B, 3) verdict logits; the clip's tokens and the rule's after them, from which the report is written.
        """
        asked = [
            part(scores) for part, scores in zip(self.rule_parts, torch.split(rules.parts, PART_SIZES, -1), strict=True)
        ]
        seconds = torch.stack((rules.seconds > 0, rules.seconds.log1p() / _LONGEST_LOG), -1)
        judge = self.judge[:, 0].expand(len(seconds), -1)
        tokens = torch.stack((judge, *asked, self.rule_seconds(seconds)), 1)
        told = self.judging(tokens, seen.tokens, memory_key_padding_mask=~seen.mask)
        there = torch.ones_like(seen.mask[:, :1]).expand(-1, told.shape[1])
        return self.verdict(told[:, 0]), Seen(torch.cat((seen.tokens, told), 1), torch.cat((seen.mask, there), 1))


@dataclass(frozen=True, slots=True)
class RuleBatch:
    """B rules, as they were read."""

    parts: Tensor
    """(B, sum of `PART_SIZES`): of each part the probabilities of what it can be."""
    seconds: Tensor
    """(B,): how long it is to last; 0: not said."""

    def to(self, device: str | torch.device) -> RuleBatch:
        """The same on a device."""
        return RuleBatch(self.parts.to(device), self.seconds.to(device))


def _numbers(count: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(count, width), nn.GELU(), nn.Linear(width, width))


def _layers(depth: int, width: int) -> nn.TransformerEncoder:
    """Pre-norm layers with a last norm. The nested-tensor path is off: it warns, and gains nothing here."""
    layer = nn.TransformerEncoderLayer(
        width, width // _HEAD_WIDTH, 3 * width, DROPOUT, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(width), enable_nested_tensor=False)


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
