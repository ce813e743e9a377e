"""What is known of the models that a site names: version and card of those that are on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.console.host import ModelCard
from pipeline.models.training.card import FILE
from pipeline.models.weights import SHIPPED, clip_version, encoder_version, vision_version
from pipeline.site import BUILTIN_MODEL, NO_MODEL, Site
from pipeline.telemetry import hide_credentials

_USES = ("detector", "encoder", "faces", "vlm", "strong_vlm")
_VERSIONS: Mapping[str, Callable[[], str]] = {
    "detector": vision_version,
    "encoder": encoder_version,
    "vlm": clip_version,
    "strong_vlm": clip_version,
}
_ONNX = "onnx:"
_README = "README.md"
"""Where Hugging Face keeps a model's card."""
_MOST_CHARACTERS = 50_000


def model_cards(site: Site | None) -> list[ModelCard]:
    """Of each model that the site names, in the order of a picture's way through them."""
    named = {use: str(getattr(site.models, use)) for use in _USES} if site else {}
    return [_card(use, name) for use, name in named.items() if name != NO_MODEL]


def _card(use: str, name: str) -> ModelCard:
    if name == BUILTIN_MODEL and use in _VERSIONS:
        return ModelCard(use, name, _version(use), _text(SHIPPED / FILE))
    return ModelCard(use, hide_credentials(name), "", _text(_folder(name) / _README))


def _version(use: str) -> str:
    try:
        return _VERSIONS[use]()
    except OSError:  # not every built-in model is part of every package
        return ""


def _folder(name: str) -> Path:
    """Where a model on this machine lies; of another, a path at which nothing lies."""
    path = Path(name.removeprefix(_ONNX).partition("#")[0])
    return path.parent if name.startswith(_ONNX) else path


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:_MOST_CHARACTERS]
    except OSError:
        return ""
