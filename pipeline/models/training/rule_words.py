"""Rules in words with what they ask, for which no scene is needed: what the reader of rules learns from.

A rule is a `Claim` that anybody might write, put into words by `scenes.claims.words`, in haste (`scenes.terse`) or as
`pipeline.reasoning.prompt` words a track rule; or something that no scene can show, which is read as `unknown`. Zones
go by any name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.models.claim_parts import CLAIM_PARTS
from pipeline.scenes.claims import (
    BAG_ACTIONS,
    DWELLS,
    LABELS,
    MAIN,
    MARKED,
    PERSON_ACTIONS,
    STATES,
    VEHICLE_ACTIONS,
    Claim,
    Where,
    unknown_words,
    words,
)
from pipeline.scenes.terse import ZONE_NAMES, terse
from pipeline.scenes.wording_zh import ZONES

CHINESE = 0.3
"""Share of the rules."""
_TRACK_WORDED = 0.12
_UNKNOWN_SHARE = 0.15
_TERSE = 0.35
_NAMES = (*ZONES, *ZONE_NAMES["en"])
_STRANGE_TRACKS = (
    "something is inside", "something enters", "something leaves", "person leaves", "car leaves", "bicycle leaves",
    "something crosses the line",
)  # fmt: skip
_WHERE: tuple[Where, ...] = ("in", "near", "outside")
_MOVING = ("person", "vehicle", "animal", *sorted(LABELS["vehicle"] & LABELS.keys()), "bicycle", "dog", "cat")
_WAYS = ("", "", " left to right", " right to left")
_VEHICLES = ("vehicle", "car or truck", "car or truck or motorcycle", "car or bus or truck")
_LINES = ("line", "door", "gate", "fence", "entrance", "exit_2")


@dataclass(frozen=True, slots=True)
class WordedRule:
    """A rule's words and what they ask."""

    text: str
    parts: tuple[int, ...]
    """Of each of `CLAIM_PARTS` the index."""
    language: str


def parts_of(claim: Claim | None) -> tuple[int, ...]:
    """A claim as indices in `CLAIM_PARTS`; None is what no claim can say."""
    if claim is None:
        return (CLAIM_PARTS["kind"].index("unknown"),) + (0,) * (len(CLAIM_PARTS) - 1)
    most = len(CLAIM_PARTS["count"])
    said = {name: str(min(claim.count, most) if name == "count" else getattr(claim, name)) for name in CLAIM_PARTS}
    return tuple(choices.index(said[name]) for name, choices in CLAIM_PARTS.items())


def worded(
    claim: Claim | None, rng: np.random.Generator, vocabulary: Sequence[str], *, held_out: bool = False
) -> WordedRule:
    """The claim in words; None in words that ask something unknown, drawn from `vocabulary` now and then."""
    language = "zh" if rng.random() < CHINESE else "en"
    if claim is None:
        return WordedRule(_unknown(language, rng, vocabulary, held_out), parts_of(None), language)
    as_track = _track_words(claim, rng) if rng.random() < _TRACK_WORDED and not held_out else None
    if as_track is not None:
        return WordedRule(as_track, parts_of(claim), "en")
    if rng.random() < _TERSE and not held_out:
        return WordedRule(terse(claim, language, rng), parts_of(claim), language)
    return WordedRule(words(claim, language, rng, held_out=held_out), parts_of(claim), language)


def drawn_rule(rng: np.random.Generator, vocabulary: Sequence[str], *, held_out: bool = False) -> WordedRule:
    """Any rule."""
    claim = None if rng.random() < _UNKNOWN_SHARE else drawn_claim(rng, vocabulary)
    return worded(claim, rng, vocabulary, held_out=held_out)


def drawn_claim(rng: np.random.Generator, vocabulary: Sequence[str]) -> Claim:
    """Any claim that makes sense, of a situation's own as often as of rarer ones."""
    kind = rng.choice(["main", "does", "nobody", "crosses", "follows", "state"], p=[0.12, 0.58, 0.1, 0.05, 0.05, 0.1])
    if kind == "main":
        claim = MAIN[str(rng.choice(list(MAIN)))]
        return replace(claim, zone=_name(rng, vocabulary)) if claim.where else claim
    if kind == "state":
        return Claim("state", state=str(rng.choice(STATES)), seconds=_seconds(rng) if rng.random() < 0.2 else 0.0)
    if kind == "crosses":
        return Claim("crosses", _label(rng, _MOVING), line=MARKED)
    if kind == "follows":
        return Claim("follows", _label(rng, _MOVING), line=MARKED, seconds=float(rng.integers(1, 10)))
    label = _label(rng, tuple(LABELS))
    claim = Claim("does", label, _action(label, rng))
    if label == "person" and rng.random() < 0.2:
        claim = replace(claim, carrying=str(rng.choice(CLAIM_PARTS["carrying"][1:])))
    if rng.random() < 0.45:
        where: Where = _WHERE[int(rng.choice(3, p=(0.6, 0.2, 0.2)))]
        claim = replace(claim, where=where, zone=_name(rng, vocabulary))
    if kind == "nobody":
        return replace(claim, kind="nobody", seconds=_seconds(rng) if rng.random() < 0.2 else 0.0)
    more = rng.random()
    if more < 0.15:
        return replace(claim, count=int(rng.integers(2, 9)))
    return replace(claim, seconds=_seconds(rng)) if more < 0.35 or claim.action == "unattended" else claim


def _label(rng: np.random.Generator, of: tuple[str, ...]) -> str:
    return "person" if rng.random() < 0.55 else str(rng.choice(of))


def _action(label: str, rng: np.random.Generator) -> str:
    """What it can do, or nothing in particular."""
    if rng.random() < 0.25:
        return ""
    if label == "person":
        return str(rng.choice([*PERSON_ACTIONS, "wrong_way"]))
    if label in {"vehicle", *LABELS["vehicle"]}:
        return str(rng.choice([*VEHICLE_ACTIONS, "wrong_way"]))
    return str(rng.choice([*BAG_ACTIONS, "unattended"])) if label in {"bag", *LABELS["bag"]} else ""


def _name(rng: np.random.Generator, vocabulary: Sequence[str]) -> str:
    """The marked zone, a usual name or any word."""
    drawn = rng.random()
    if drawn < 0.55:
        return MARKED
    return str(rng.choice(_NAMES)) if drawn < 0.8 else vocabulary[int(rng.integers(len(vocabulary)))]


def _seconds(rng: np.random.Generator) -> float:
    """Usual ones, any, or whole minutes."""
    drawn = rng.random()
    if drawn < 0.25:
        return 60.0 * float(rng.integers(1, 20))
    return float(rng.choice(DWELLS) if drawn < 0.6 else rng.integers(2, 120))


def _unknown(language: str, rng: np.random.Generator, vocabulary: Sequence[str], held_out: bool) -> str:
    """What nothing in the scenes can answer, now and then any words at all."""
    if held_out or language != "en" or rng.random() < 0.75:
        return unknown_words(language, rng, held_out=held_out)
    if rng.random() < 0.3:  # track rules about anything, or about leaving
        return f"{rng.choice(_STRANGE_TRACKS)} {rng.choice(_NAMES)}"
    return " ".join(vocabulary[int(index)] for index in rng.integers(len(vocabulary), size=int(rng.integers(1, 8))))


def _track_words(claim: Claim, rng: np.random.Generator) -> str | None:
    """The claim as `pipeline.reasoning.prompt` words a track rule (a test holds them together); None where no track
    rule asks that."""
    if claim.where not in ("", "in") or claim.carrying or not claim.label:
        return None
    things = str(rng.choice(_VEHICLES)) if claim.label == "vehicle" else claim.label
    if claim.kind == "crosses":
        return f"{things} crosses the line {rng.choice(_LINES)}{rng.choice(_WAYS)}"
    if claim.kind != "does":
        return None
    if claim.where == "in" and claim.count == 1 and not claim.action:
        if claim.seconds:
            return f"{things} is inside {claim.zone} for longer than {claim.seconds:g} s"
        return f"{things} {rng.choice(['enters', 'is inside'])} {claim.zone}"
    return None if claim.where else _other_track_words(claim, things, rng)


def _other_track_words(claim: Claim, things: str, rng: np.random.Generator) -> str | None:
    if claim.action == "unattended" and claim.seconds:
        return f"{things} was left behind: whoever brought it has been gone for {claim.seconds:g} s"
    if claim.action == "run" and claim.label == "person" and not claim.seconds and claim.count == 1:
        return f"person moves faster than {rng.integers(12, 30) / 10:g} of its own heights a second"
    if claim.count > 1 and not claim.action and not claim.seconds:
        return f"there are more than {claim.count - 1} of {things} at once"
    return None
