"""The model card: what was trained on what, for how long, how good it is, and what it is not for.

In: what a stage knows of its run. Out: `CARD.md` beside the weights. Each stage writes its own section and leaves
those of the others as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILE = "CARD.md"
_HEAD = """# The built-in models

Small networks that are part of the package, so that everything runs with no download. They are demonstrators: good
enough to show and to test how the system reasons, not to guard a site alone. Where a GPU or an endpoint is at hand,
name a real vision-language model.

- **Data**: scenes rendered by `pipeline.scenes` (figures, vehicles, animals, bags and smoke in procedural places, by
  day, dusk, infra-red, in rain, with noise and compression) and their exact truth. No recording of a real person.
- **Words**: static vectors distilled from all-MiniLM-L6-v2 (sentence-transformers, Apache-2.0) for its vocabulary,
  quantised to int8; the vocabulary is its own. Made by `scripts/distil_words.py`.
- **Licence**: Apache-2.0, as the package.
- **Limits**: trained on drawings, so expect much less on real pictures than the figures here, which are on drawn
  places kept from training; those of `captions` and `rules` on wordings kept from it, too, those of `clip` on rules as
  they are meant. Scores are no probabilities of anything on your cameras until calibrated
  there. Two languages, English and Chinese; a text in another one gets a vector that means little. People are told
  by shape and pose alone: nothing here tells who somebody is, nor any trait of theirs.
"""


def write_card(out: Path, stage: str, facts: Mapping[str, Any], figures: Mapping[str, Any]) -> Path:
    """Write the section of a stage; the path of the card."""
    path = out / FILE
    known = _sections(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known[stage] = "\n".join(_section(facts, figures))
    told = "\n".join(f"\n## {name}\n\n{text.strip()}\n" for name, text in sorted(known.items()))
    path.write_text(_HEAD + told, encoding="utf-8")
    return path


def _sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (\S+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _section(facts: Mapping[str, Any], figures: Mapping[str, Any]) -> Iterator[str]:
    yield "Training: " + ", ".join(f"{name} {value}" for name, value in facts.items()) + "."
    yield ""
    yield "Held out:"
    yield ""
    yield "| figure | value |"
    yield "|---|---|"
    for name, value in _flat(figures):
        yield f"| {name} | {value} |"


def _flat(figures: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        where = f"{before} {name}".strip().replace("_", " ")
        if isinstance(value, Mapping) and set(value) == {"recall", "of"}:
            yield where, f"{value['recall']} of {value['of']}"
        elif isinstance(value, Mapping):
            yield from _flat(value, where)
        else:
            yield where, value
