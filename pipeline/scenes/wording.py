"""Synonyms, a fifth of them kept apart: what is said with those is said with them alone.

Captions and reports keep to the few in the code. Operators write as they like: rules have many more (`Wider`), from
`synonyms_en.toml` and `synonyms_zh.toml`.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Says(NamedTuple):
    """Ways to say one thing."""

    usual: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    """For measuring only: no usual sentence has them."""
    asked: tuple[str, ...] = ()
    """More of them, in rules alone."""

    def pick(self, rng: np.random.Generator, held_out: bool) -> str:
        """One of them; of the usual ones where none is held out."""
        return self._one(rng, held_out, self.usual)

    def ask(self, rng: np.random.Generator, held_out: bool) -> str:
        """One of them as an operator may write it."""
        return self._one(rng, held_out, self.usual + self.asked)

    def _one(self, rng: np.random.Generator, held_out: bool, otherwise: tuple[str, ...]) -> str:
        options = (self.held_out or self.usual) if held_out else otherwise
        return options[int(rng.integers(len(options)))]


def says(*words: str) -> Says:
    """Synonyms, of which every fifth is held out."""
    return Says(tuple(word for at, word in enumerate(words) if at % 5 != 4), words[4::5])


class Wider:
    """The synonyms of a language that rules have beside those in the code."""

    def __init__(self, language: str) -> None:
        self._tables = _tables(language)

    def table(self, name: str, of: Mapping[str, Says]) -> dict[str, Says]:
        """A table's entries with more of each."""
        more = self._tables[name]
        if strangers := more.keys() - of.keys():
            raise ValueError(f"synonyms of {name}: {', '.join(sorted(strangers))} are not in the table")
        return {key: each._replace(asked=tuple(more.get(key, ()))) for key, each in of.items()}

    def unknown(self, name: str) -> Says:
        """What operators ask for that no scene can show: `doing` of a person, a `thing`, a whole `clause`."""
        return says(*self._tables["UNKNOWN"][name])

    def names(self, name: str) -> tuple[str, ...]:
        """A plain list."""
        return tuple(self._tables[name]["all"])

    def all(self, name: str, each: Says) -> Says:
        """An entry that is a table of its own."""
        return each._replace(asked=tuple(self._tables[name]["all"]))


@functools.cache
def _tables(language: str) -> Mapping[str, Mapping[str, list[str]]]:
    path = Path(__file__).with_name(f"synonyms_{language}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))
