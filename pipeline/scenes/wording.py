"""Synonyms, a fifth of them kept apart: what is said with those is said with them alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Says(NamedTuple):
    """Ways to say one thing."""

    usual: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    """For measuring only: no usual sentence has them."""

    def pick(self, rng: np.random.Generator, held_out: bool) -> str:
        """One of them; of the usual ones where none is held out."""
        options = (self.held_out or self.usual) if held_out else self.usual
        return options[int(rng.integers(len(options)))]


def says(*words: str) -> Says:
    """Synonyms, of which every fifth is held out."""
    return Says(tuple(word for at, word in enumerate(words) if at % 5 != 4), words[4::5])
