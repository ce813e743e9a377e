"""What makes rendered pictures harder: turned round, grey, darker, blurred, noisy, partly hidden; differences lost.

In and out: (N, 4, H, W) float, 0..1, on any device. Draws from torch's own random numbers, which the loop seeds for
every step.
"""

from __future__ import annotations

import torch
from torch import Tensor

_FLIPPED, _GREY, _BLURRED, _COARSE, _NOISY, _HIDDEN = 0.5, 0.25, 0.2, 0.25, 0.5, 0.15
_WITHOUT_DIFFERENCE = 0.5
_LUMA = (0.299, 0.587, 0.114)


def augmented(pictures: Tensor, *, may_flip: bool = True) -> Tensor:
    """Each picture changed in its own way; captions that say left or right forbid turning round."""
    colours, difference = pictures[:, :3], pictures[:, 3:]
    colours = _softened(_lit(_greyed(colours)))
    noise = (torch.rand_like(colours) - 0.5) * (torch.rand(_each(colours), device=colours.device) * 0.2)
    colours = (colours + noise * _some(colours, _NOISY)).clamp(0, 1)
    gain = 0.5 + torch.rand(_each(difference), device=difference.device)
    difference = (difference * gain * ~_some(difference, _WITHOUT_DIFFERENCE)).clamp(0, 1)
    changed = _hidden(torch.cat([colours, difference], 1))
    return torch.where(_some(changed, _FLIPPED), changed.flip(3), changed) if may_flip else changed


def _each(pictures: Tensor) -> tuple[int, int, int, int]:
    return len(pictures), 1, 1, 1


def _some(pictures: Tensor, share: float) -> Tensor:
    """(N, 1, 1, 1) bool: which pictures it happens to."""
    return torch.rand(_each(pictures), device=pictures.device) < share


def _greyed(colours: Tensor) -> Tensor:
    luma = (colours * torch.tensor(_LUMA, device=colours.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    tinted = colours * (0.85 + 0.3 * torch.rand(len(colours), 3, 1, 1, device=colours.device))
    return torch.where(_some(colours, _GREY), luma.expand_as(colours), tinted)


def _lit(colours: Tensor) -> Tensor:
    """Exposure, contrast and gamma."""
    gamma, contrast, offset = (torch.rand(_each(colours), device=colours.device) for _ in range(3))
    curved = colours.clamp(0, 1) ** (0.65 + 0.8 * gamma)
    return (curved - 0.5) * (0.55 + 0.8 * contrast) + 0.5 + (offset - 0.5) * 0.25


def _softened(colours: Tensor) -> Tensor:
    """Out of focus, or seen from so far that a pixel here is a fraction of one there."""
    blurred = torch.nn.functional.avg_pool2d(colours, 3, stride=1, padding=1, count_include_pad=False)
    half = torch.nn.functional.avg_pool2d(colours, 2)
    coarse = torch.nn.functional.interpolate(half, size=colours.shape[2:], mode="bilinear")
    return torch.where(_some(colours, _COARSE), coarse, torch.where(_some(colours, _BLURRED), blurred, colours))


def _hidden(pictures: Tensor) -> Tensor:
    """A grey bar over a fifth of the width or height."""
    rows = torch.arange(pictures.shape[2], device=pictures.device).view(1, 1, -1, 1) / pictures.shape[2]
    columns = torch.arange(pictures.shape[3], device=pictures.device).view(1, 1, 1, -1) / pictures.shape[3]
    start = torch.rand(_each(pictures), device=pictures.device) * 0.9
    along = torch.where(_some(pictures, 0.5), rows.expand(1, 1, -1, pictures.shape[3]), columns)
    bar = (along > start) & (along < start + 0.2) & _some(pictures, _HIDDEN)
    tone = torch.rand(_each(pictures), device=pictures.device)
    return torch.where(bar, tone, pictures)
