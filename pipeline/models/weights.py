"""Weights on disk: fp16 safetensors, the int8 table of words and the vocabulary, in one folder.

In: a folder (by default the one that ships with the package, `pipeline/models/weights/`). Out: tensors, facts about
them and a fingerprint, which is the models' version. Nothing is ever fetched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError

SHIPPED = Path(__file__).parent / "weights"
VISION = "vision"
CAPTIONS = "captions"
RULES = "rules"
CLIP = "clip"
_WORDS = "words.safetensors"
_VOCABULARY = "vocab.txt"
_FACTS = "facts"
_MODE = 0o644
"""safetensors writes files that only their owner may read."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One file of weights."""

    tensors: dict[str, NDArray[Any]]
    facts: dict[str, Any]
    """What the training wrote beside them: size, steps, figures."""


@dataclass(frozen=True, slots=True)
class Words:
    """The static vectors of the vocabulary's pieces: `vectors * scale`."""

    vectors: NDArray[np.int8]
    """(pieces, D)."""
    scale: NDArray[np.float32]
    """(D,)."""
    vocabulary: Path


def write_weights(folder: Path, name: str, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> Path:
    """As fp16; numbers that are no floats stay what they are."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    halves = {
        key: np.ascontiguousarray(value.astype(np.float16) if np.issubdtype(value.dtype, np.floating) else value)
        for key, value in tensors.items()
    }
    save_file(halves, path, {_FACTS: json.dumps(dict(facts), ensure_ascii=False, sort_keys=True)})
    path.chmod(_MODE)
    return path


def read_weights(folder: Path, name: str) -> Stored:
    """One model's weights; `ConfigError` when they are missing or damaged."""
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import load_file

    path = folder / f"{name}.safetensors"
    try:
        with safe_open(path, "numpy") as opened:
            facts = json.loads((opened.metadata() or {}).get(_FACTS, "{}"))
        return Stored(load_file(path), facts)
    except FileNotFoundError:
        raise ConfigError(
            f"the built-in {name} model has no weights at {path}: `sightline train --stage {name}` makes them"
        ) from None
    except (SafetensorError, ValueError, OSError) as error:
        raise ConfigError(f"the built-in {name} model's weights at {path} are damaged: {error}") from error


def read_words(folder: Path = SHIPPED) -> Words:
    """The table of words; `ConfigError` when it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / _WORDS
    try:
        tensors = load_file(path)
        return Words(tensors["vectors"], tensors["scale"], folder / _VOCABULARY)
    except FileNotFoundError:
        raise ConfigError(f"the built-in models' words are missing at {path}: reinstall the package") from None
    except (SafetensorError, KeyError, OSError) as error:
        raise ConfigError(f"the built-in models' words at {path} are damaged: {error}") from error


def write_words(folder: Path, vectors: NDArray[np.float32], pieces: list[str]) -> None:
    """Quantise (pieces, D) to int8, a scale a column, clipped at five deviations; write it with its vocabulary."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    scale = np.minimum(np.abs(vectors).max(0), 5 * vectors.std(0)).astype(np.float32) / 127
    small = np.clip(np.rint(vectors / scale), -127, 127).astype(np.int8)
    save_file({"vectors": small, "scale": scale}, folder / _WORDS)
    (folder / _WORDS).chmod(_MODE)
    (folder / _VOCABULARY).write_text("\n".join(pieces) + "\n", encoding="utf-8")


def fingerprint(*paths: Path) -> str:
    """Twelve hexadecimal digits that are others when the files are others."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def vision_version(folder: Path = SHIPPED) -> str:
    """Of the trunk and the region classifier: `builtin-…`."""
    return f"builtin-{fingerprint(folder / f'{VISION}.safetensors')}"


def encoder_version(folder: Path = SHIPPED) -> str:
    """Of the space of pictures and words: `builtin-…`, another when the trunk or what was learned over it is."""
    return f"builtin-{fingerprint(*(folder / f'{name}.safetensors' for name in (VISION, CAPTIONS)))}"


def clip_version(folder: Path = SHIPPED) -> str:
    """Of the clip model, which sees with the trunk and has its rules read: others when any of them is another."""
    return fingerprint(*(folder / f"{name}.safetensors" for name in (VISION, RULES, CLIP)))
