"""What can be said of a clip, and whether it is so.

A claim is put together from few parts: who, what they do, what they carry, where, for how long, how many; or it
says how the camera sees. Its truth is boolean algebra over the scene's tracks, so it is exact; whether the given
frames show it is asked apart from that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pipeline.scenes.story import Crossing, Staged, Story
from pipeline.scenes.tracks import STEP_SECONDS, Mask
from pipeline.scenes.truth import ActorTruth, FrameTruth
from pipeline.scenes.wording_en import phrase_en, unknown_en
from pipeline.scenes.wording_zh import phrase_zh, unknown_zh

Kind = Literal["does", "nobody", "crosses", "follows", "state"]
Where = Literal["", "in", "near", "outside"]

LABELS: dict[str, frozenset[str]] = {
    "vehicle": frozenset({"car", "truck", "motorcycle", "bus"}),
    "animal": frozenset({"dog", "cat", "bird"}),
    "bag": frozenset({"backpack", "suitcase", "handbag"}),
} | {
    label: frozenset({label})
    for label in (
        "person",
        "car",
        "truck",
        "motorcycle",
        "bicycle",
        "dog",
        "cat",
        "bird",
        "backpack",
        "suitcase",
        "handbag",
        "smoke",
    )
}
"""What a claim calls things, to COCO's words (and smoke)."""
PERSON_ACTIONS: dict[str, frozenset[str]] = {
    "walk": frozenset({"walk"}),
    "run": frozenset({"run"}),
    "stand": frozenset({"stand", "greet"}),
    "crouch": frozenset({"crouch", "bend"}),
    "sit": frozenset({"sit"}),
    "lie": frozenset({"lie"}),
    "fall": frozenset({"fall"}),
    "climb": frozenset({"climb"}),
    "fight": frozenset({"fight"}),
    "greet": frozenset({"greet"}),
    "cycle": frozenset({"cycle"}),
}
VEHICLE_ACTIONS = {"drive": frozenset({"drive"}), "parked": frozenset({"parked"})}
BAG_ACTIONS = {"left": frozenset({"left"}), "carried": frozenset({"carried"})}
_ACTIONS = PERSON_ACTIONS | VEHICLE_ACTIONS | BAG_ACTIONS
LIGHTS = ("day", "dusk", "infrared")
WEATHERS = ("rain", "fog")
FAULTS = ("covered", "moved", "defocused")
STATES = LIGHTS + WEATHERS + FAULTS
NEAR_M = 2.0
"""So close to a zone's border, and outside, is near it."""
MARKED = "zone"
"""As a claim's zone or line: the one the story is about, whatever its name."""
DWELLS = (5.0, 8.0, 12.0, 15.0, 20.0, 30.0)
_DENIED = 0.12
"""Share of the claims that are also turned into their opposite."""
_LEAST_VISIBLE = 0.35
_LEAST_HEIGHT_PX = 8.0
_WRONG_COSINE = -0.5
"""Of the angle between where somebody goes and where they should: at least 120 degrees off."""
_BORDERLINE = 0.25
"""Durations this close to a claim's, as a share of it, are no fair example of either answer."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that can be said of a clip."""

    kind: Kind
    label: str = ""
    action: str = ""
    """A key of the action tables, `wrong_way` (of persons and vehicles) or `unattended` (of bags)."""
    carrying: str = ""
    where: Where = ""
    zone: str = ""
    """`MARKED`, or a zone by its name; "" without `where`."""
    line: str = ""
    """Of `crosses` and `follows`."""
    seconds: float = 0.0
    """At least so long without a break; of `follows`, at most so long apart."""
    count: int = 1
    """At least so many at once."""
    state: str = ""

    def is_true(self, story: Story, frames: Sequence[FrameTruth]) -> bool | None:
        """Whether it is so between the first and the last frame; None where these frames cannot tell, as when it
        happens unseen between two of them, or behind something, or the lens is covered."""
        if not frames:
            return None
        if self.kind == "state":
            return _state(self.state, story, frames)
        has_place = bool(self.where or self.line)
        clear = [each for each in frames if not is_blind(story, each.at_seconds, is_place_needed=has_place)]
        if 2 * len(clear) < len(frames) or not self._is_about_what_is_there(story):
            return None
        window = frames[0].at_seconds - STEP_SECONDS, frames[-1].at_seconds + STEP_SECONDS
        if self.kind in ("crosses", "follows"):
            return _crosses(self, story, clear, window)
        is_so = _does(self, story, clear, window)
        return is_so if self.kind == "does" or is_so is None else not is_so

    def holds(self, story: Story) -> bool:
        """Whether it is so anywhere in the scene, shown or not."""
        if self.kind == "state":
            return _state_spans(self.state, story)
        if not self._is_about_what_is_there(story):
            return False
        if self.kind in ("crosses", "follows"):
            return bool(_crossers(self, story, (0.0, story.duration_seconds)))
        return (self.longest_seconds(self.mask(story)) > 0) == (self.kind == "does")

    def mask(self, story: Story) -> Mask:
        """(A, T): which actors it is true of, when; without duration and count."""
        tracks = story.tracks
        mask: Mask = tracks.actions != ""
        if self.label:
            mask &= np.isin(tracks.labels, list(LABELS[self.label]))[:, None]
        if self.action == "wrong_way":
            mask &= _goes_against(story)
        elif self.action == "unattended":
            mask &= tracks.unattended()
        elif self.action:
            mask &= np.isin(tracks.actions, list(_ACTIONS[self.action]))
        if self.carrying:
            mask &= tracks.carrying(self.carrying)
        return mask & self._place(story) if self.where else mask

    def is_borderline(self, story: Story) -> bool:
        """Whether it asks for a duration, and the scene's comes close to that."""
        if not self.seconds or self.kind not in ("does", "nobody"):
            return False
        runs = _run_seconds(self._by_count(self.mask(story)))
        return any(abs(each - self.seconds) < _BORDERLINE * self.seconds for each in runs)

    def _is_about_what_is_there(self, story: Story) -> bool:
        has_zone = not self.where or self._zone(story) in story.tracks.zone_distances
        return has_zone and not (self.line and not story.line) and not (
            self.action == "wrong_way" and story.one_way is None
        )  # fmt: skip

    def _zone(self, story: Story) -> str:
        return story.zone if self.zone == MARKED else self.zone

    def _place(self, story: Story) -> Mask:
        distances = story.tracks.zone_distances[self._zone(story)]
        with np.errstate(invalid="ignore"):
            if self.where == "in":
                return distances < 0
            return (distances >= 0) & (distances <= NEAR_M) if self.where == "near" else distances >= 0

    def _by_count(self, mask: Mask) -> Mask:
        """Rows in which the claimed number is there: of each actor, or of all together for more than one."""
        return mask if self.count == 1 else (mask.sum(axis=0) >= self.count)[None]

    def longest_seconds(self, mask: Mask) -> float:
        """Of the longest unbroken stretch in which the claimed number is there; 0 when shorter than claimed."""
        longest = max(_run_seconds(self._by_count(mask)), default=0.0)
        return longest if longest >= max(self.seconds, STEP_SECONDS) else 0.0


MAIN: dict[str, Claim] = {
    "intrusion": Claim("does", "person", where="in", zone=MARKED),
    "loitering": Claim("does", "person", where="in", zone=MARKED, seconds=12.0),
    "left_bag": Claim("does", "bag", "unattended", seconds=8.0),
    "fall": Claim("does", "person", "fall"),
    "fight": Claim("does", "person", "fight"),
    "running": Claim("does", "person", "run"),
    "wrong_way": Claim("does", "person", "wrong_way"),
    "crowd": Claim("does", "person", count=5),
    "tailgating": Claim("follows", "person", line=MARKED, seconds=2.0),
    "vehicle_on_footpath": Claim("does", "vehicle", where="in", zone=MARKED),
    "climbing": Claim("does", "person", "climb"),
    "smoke": Claim("does", "smoke"),
    "covered": Claim("state", state="covered"),
    "moved": Claim("state", state="moved"),
    "defocused": Claim("state", state="defocused"),
}
"""What a rule for each situation asks: true of the situation, false of its near miss."""


def words(claim: Claim, language: str, rng: np.random.Generator, *, held_out: bool = False) -> str:
    """The claim as an operator would write it as a rule, in `en` or `zh`; `held_out`: with synonyms and sentence
    forms that are used for nothing else."""
    return phrase_zh(claim, rng, held_out) if language == "zh" else phrase_en(claim, rng, held_out)


def unknown_words(language: str, rng: np.random.Generator, *, held_out: bool = False) -> str:
    """What operators ask for and no claim can say, in `en` or `zh`."""
    return unknown_zh(rng, held_out) if language == "zh" else unknown_en(rng, held_out)


def claims_for(
    staged: Staged, frames: Sequence[FrameTruth], rng: np.random.Generator, *, num: int = 12
) -> tuple[Claim, ...]:
    """About `num` claims, as many true as false where there are, and one in eight that cannot be told; what a
    rule for the situation asks is among them, and every false one is close to something true."""
    story = staged.story
    drawn = _own(story, rng) + [_observed(story, frames, rng) for _ in range(2 * num)]
    drawn += [_twisted(claim, story, rng) for claim in drawn for _ in range(2)]
    drawn += [_denied(claim) for claim in drawn if rng.random() < _DENIED]
    drawn += [_drawn_state(story, rng) for _ in range(2)] + [MAIN[name] for name in rng.permutation(list(MAIN))[:1]]
    sorted_out: dict[bool | None, list[Claim]] = {True: [], False: [], None: []}
    for claim in dict.fromkeys(each for each in drawn if each is not None):
        if not claim.is_borderline(story):
            sorted_out[claim.is_true(story, frames)].append(claim)
    num_unknown = min(len(sorted_out[None]), num // 8)
    half = (num - num_unknown) // 2
    own = _own(story, rng)[:1]
    picked = [each for truth in (True, False) for each in _some(sorted_out[truth], half, own, rng)]
    picked += _some(sorted_out[None], num_unknown, [], rng)
    return tuple(picked[index] for index in rng.permutation(len(picked)))


def _some(claims: list[Claim], num: int, first: list[Claim], rng: np.random.Generator) -> list[Claim]:
    kept = [each for each in first if each in claims]
    others = [claims[index] for index in rng.permutation(len(claims)) if claims[index] not in kept]
    return (kept + others)[:num]


def _own(story: Story, rng: np.random.Generator) -> list[Claim]:
    """The situation's own claim first, then others that go with it."""
    main = MAIN.get(story.situation)
    if main is None:
        return []
    claims = [main]
    if main.where and story.zone:
        claims += [replace(main, zone=_named(story)), replace(main, kind="nobody", seconds=0.0)]
        claims += [replace(main, where="near", seconds=0.0), replace(main, action="stand", seconds=0.0)]
    if main.seconds and main.kind == "does":
        claims += [replace(main, seconds=each) for each in rng.choice(DWELLS, 3, replace=False).tolist()]
    if main.action in ("fall", "climb", "fight", "run") and story.zone:
        claims.append(replace(main, where="in", zone=MARKED))
    if story.situation == "fall":
        claims += [Claim("does", "person", "lie"), Claim("does", "person", "lie", seconds=5.0)]
    if story.situation == "crowd":
        claims += [replace(main, count=int(count)) for count in rng.choice([2, 3, 4, 6], 2, replace=False)]
    return claims


def _observed(story: Story, frames: Sequence[FrameTruth], rng: np.random.Generator) -> Claim | None:
    """A claim that is true of somebody in some frame, from a few of the things that can be said of them."""
    frame = frames[int(rng.integers(len(frames)))]
    if not frame.actors:
        return Claim("nobody", "person")
    actor = frame.actors[rng.integers(len(frame.actors))]
    tracks, row = story.tracks, story.tracks.row(actor.id)
    column = story.tracks.column(frame.at_seconds)
    claim = Claim("does", _a_word_for(actor.label, rng), _an_action_of(str(tracks.actions[row, column]), rng))
    if story.zone and rng.random() < 0.6:
        distance = tracks.zone_distances[story.zone][row, column]
        near: Where = "near" if rng.random() < 0.5 and distance <= NEAR_M else "outside"
        name = MARKED if rng.random() < 0.8 else _named(story)
        claim = replace(claim, where="in" if distance < 0 else near, zone=name)
    if actor.label == "person" and rng.random() < 0.9:
        held = [kind for kind in ("backpack", "suitcase", "handbag", "bag") if tracks.carrying(kind)[row, column]]
        claim = replace(claim, carrying=str(rng.choice(held))) if held else claim
    if rng.random() < 0.2:
        claim = replace(claim, count=int(max(claim.mask(story)[:, column].sum(), 1)))
    if rng.random() < 0.35 and claim.count == 1:
        lasted = claim.longest_seconds(claim.mask(story))
        fitting = [dwell for dwell in DWELLS if dwell <= lasted * (1 - _BORDERLINE)]
        claim = replace(claim, seconds=float(rng.choice(fitting))) if fitting else claim
    return claim


def _denied(claim: Claim | None) -> Claim | None:
    """That nobody does it."""
    return replace(claim, kind="nobody", count=1, seconds=0.0) if claim is not None and claim.kind == "does" else None


def _named(story: Story) -> str:
    """The zone by its name, where it has one of its own."""
    return MARKED if story.zone == "area" else story.zone


def _a_word_for(label: str, rng: np.random.Generator) -> str:
    return str(rng.choice([word for word, labels in LABELS.items() if label in labels]))


def _an_action_of(action: str, rng: np.random.Generator) -> str:
    fitting = [name for name, actions in _ACTIONS.items() if action in actions]
    return str(rng.choice(fitting)) if fitting and rng.random() < 0.75 else ""


def _twisted(claim: Claim | None, story: Story, rng: np.random.Generator) -> Claim | None:
    """The same claim with one part changed: near to what is so, and mostly false."""
    if claim is None or claim.kind != "does":
        return None
    twists = [_other_action(claim, story, rng), _other_label(claim, rng), replace(claim, count=claim.count + 1)]
    if claim.where:
        where: Where = "in" if claim.where != "in" else "outside" if rng.random() < 0.5 else "near"
        twists += [replace(claim, where=where)] * 3
    elif story.zone:
        twists.append(replace(claim, where="in", zone=MARKED))
    if claim.carrying or (claim.label == "person" and rng.random() < 0.15):
        twists.append(replace(claim, carrying=str(rng.choice(["backpack", "suitcase", "handbag", "bag"]))))
    if claim.seconds or rng.random() < 0.2:
        longer = [dwell for dwell in DWELLS if dwell > claim.seconds]
        twists += [replace(claim, seconds=float(rng.choice(longer)))] if longer else []
    twisted = twists[int(rng.integers(len(twists)))]
    return twisted if twisted.count == 1 or not twisted.seconds else replace(twisted, seconds=0.0)


def _other_action(claim: Claim, story: Story, rng: np.random.Generator) -> Claim:
    actions: list[str] = []
    if claim.label == "person":
        actions = [*PERSON_ACTIONS, *(["wrong_way"] if story.one_way else [])]
    elif claim.label in LABELS["vehicle"] | {"vehicle"}:
        actions = list(VEHICLE_ACTIONS)
    elif claim.label in LABELS["bag"] | {"bag"}:
        actions = [*BAG_ACTIONS, "unattended"]
    others = [action for action in actions if action != claim.action]
    return replace(claim, action=str(rng.choice(others))) if others else claim


def _other_label(claim: Claim, rng: np.random.Generator) -> Claim:
    """Another thing of which the same can be said; without the action where that goes with the label alone."""
    others = [word for word in LABELS if word != claim.label and not LABELS[word] & LABELS[claim.label]]
    return replace(claim, label=str(rng.choice(others)), action="", carrying="")


def _drawn_state(story: Story, rng: np.random.Generator) -> Claim:
    """One that is so, or any."""
    own = [story.light, *([story.weather] if story.weather in WEATHERS else []), *(each.kind for each in story.faults)]
    return Claim("state", state=str(rng.choice(own if rng.random() < 0.6 else STATES)))


def _goes_against(story: Story) -> Mask:
    """(A, T): who moves against the direction that holds here."""
    velocities, speeds = story.tracks.velocities, story.tracks.speeds
    with np.errstate(invalid="ignore", divide="ignore"):
        along = velocities @ np.array(story.one_way or (0.0, 0.0)) / speeds
        against: Mask = (speeds > 0.3) & (along < _WRONG_COSINE)
    return against


def _run_seconds(rows: Mask) -> list[float]:
    """How long each unbroken stretch of truth in each row is."""
    padded = np.pad(rows.astype(np.int8), ((0, 0), (1, 1)))
    steps = np.diff(padded, axis=1)
    starts, ends = np.nonzero(steps == 1), np.nonzero(steps == -1)
    return [float(run) * STEP_SECONDS for run in ends[1] - starts[1]]


def _does(claim: Claim, story: Story, clear: Sequence[FrameTruth], window: tuple[float, float]) -> bool | None:
    times = story.tracks.times
    mask = claim.mask(story) & ((times >= window[0]) & (times <= window[1]))
    if not claim.longest_seconds(mask):
        return False
    if claim.action == "fall":
        mask = mask | (_after(mask) & replace(claim, action="lie").mask(story))
    return True if any(_shows(claim, story, mask, frame) for frame in clear) else None


def _after(mask: Mask) -> Mask:
    """From the first moment of each row on: whoever is seen lying afterwards has fallen."""
    return np.logical_or.accumulate(mask, axis=1)


def _shows(claim: Claim, story: Story, mask: Mask, frame: FrameTruth) -> bool:
    seen = _seen(frame)
    column = mask[:, story.tracks.column(frame.at_seconds)]
    return sum(int(actor) in seen for actor in story.tracks.ids[column]) >= claim.count


def is_shown(actor: ActorTruth) -> bool:
    """Whether a frame shows it well enough to say anything of it."""
    return actor.visible >= _LEAST_VISIBLE and actor.box.height >= _LEAST_HEIGHT_PX


def _seen(frame: FrameTruth) -> set[int]:
    return {actor.id for actor in frame.actors if is_shown(actor)}


def _crosses(claim: Claim, story: Story, clear: Sequence[FrameTruth], window: tuple[float, float]) -> bool | None:
    found = _crossers(claim, story, window)
    if not found:
        return False
    seen = {actor for frame in clear for actor in _seen(frame)}
    return True if any(set(each) <= seen for each in found) else None


def _crossers(claim: Claim, story: Story, window: tuple[float, float]) -> list[tuple[int, ...]]:
    """Who crosses the story's line; of `follows`, pairs who do so the same way, one close behind the other."""
    ids = {int(actor) for actor in story.tracks.ids[np.isin(story.tracks.labels, list(LABELS[claim.label]))]}
    crossings = [
        each
        for each in story.crossings
        if each.line == story.line and each.who in ids and window[0] <= each.at_seconds <= window[1]
    ]
    if claim.kind == "crosses":
        return [(each.who,) for each in crossings]
    return [(a.who, b.who) for a in crossings for b in crossings if _is_behind(a, b, claim.seconds)]


def _is_behind(first: Crossing, second: Crossing, seconds: float) -> bool:
    apart = second.at_seconds - first.at_seconds
    return first.who != second.who and first.way == second.way and 0 <= apart <= seconds


def is_blind(story: Story, at_seconds: float, *, is_place_needed: bool = False) -> bool:
    """Whether nothing can be told at a moment: covered, out of focus or, of places, looking elsewhere."""
    return any(fault.share(at_seconds) > 0.5 and (is_place_needed or fault.kind != "moved") for fault in story.faults)


def _state_spans(state: str, story: Story) -> bool:
    return state in (story.light, story.weather) or any(fault.kind == state for fault in story.faults)


def _state(state: str, story: Story, frames: Sequence[FrameTruth]) -> bool | None:
    """A fault is told by a frame that shows it; a moved camera by one from before the move beside it."""
    if state not in FAULTS:
        has_clear = any(not is_blind(story, frame.at_seconds) for frame in frames)
        return state in (story.light, story.weather) if has_clear else None
    times = [frame.at_seconds for frame in frames]
    for fault in story.faults:
        if fault.kind != state or fault.start_seconds > times[-1] or fault.end_seconds < times[0]:
            continue
        during = [fault.share(at) > 0.5 for at in times]
        is_told = any(during) and (state != "moved" or not all(during))
        return True if is_told else None
    return False
