"""The small language in which the clip model writes a report, and the way from it to the report's own schema.

    report    := TALE SEVERITY element* <relations> relation* <actions> action* <forecasts> forecast* <end>
    element   := NAME (REGION | FRAME)          a thing and where it is seen; its box is the region's
    relation  := ELEMENT KIND (ELEMENT | <zone>) FRAME
    action    := ELEMENT ACTION FRAME FRAME     from one frame to another, not earlier
    forecast  := WHAT PERCENT                   one of the tale's own

A tale is what `pipeline.scenes` tells of a situation, or of what happens in its place: title, explanation, advice and
forecasts with gaps, which the report's elements fill.
Regions and frames are pointers into the clip, everything else is a closed list, and `Writer` knows at every place
what can follow: whatever is decoded is a report, its frames were sent and its boxes are regions that were seen.
Sentences are made from it by `report_words`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.contracts.assessment import RelationKind
from pipeline.contracts.values import Severity
from pipeline.models.clip import MAX_FRAMES, MAX_REGIONS
from pipeline.scenes.telling_en import TALES

SITUATIONS = (
    "intrusion", "loitering", "left_bag", "fall", "fight", "running", "wrong_way", "crowd", "tailgating",
    "vehicle_on_footpath", "climbing", "smoke", "covered", "moved", "defocused", "ordinary",
)  # fmt: skip
NAMES = (
    "person", "bicycle", "motorcycle", "car", "truck", "dog", "cat", "bird", "backpack", "suitcase", "handbag",
    "smoke", "thing",
)  # fmt: skip
ACTIONS = (
    "walk", "run", "stand", "crouch", "bend", "climb", "lie", "sit", "fall", "fight", "greet", "cycle",
    "drive", "parked", "carried", "left", "rise", "other",
)  # fmt: skip
NUM_FORECASTS = {key: len(tale.forecasts) for key, tale in TALES.items()}
PERCENTS = (10, 20, 30, 40, 50, 60, 70, 80, 90)
MAX_ELEMENTS = 6
MAX_RELATIONS = 6
MAX_ACTIONS = 6
MAX_FORECASTS = 3
"""As the report's contract bounds them."""
ZONE = -1
"""As the object of a relation: the rule's zone."""

_SECTIONS = ("<relations>", "<actions>", "<forecasts>", "<end>")
_WORDS: tuple[str, ...] = (
    "<pad>", "<start>", *_SECTIONS, "<zone>",
    *(f"tale:{each}" for each in sorted(TALES)),
    *(f"severity:{each}" for each in Severity),
    *(f"name:{each}" for each in NAMES),
    *(f"kind:{each}" for each in RelationKind),
    *(f"action:{each}" for each in ACTIONS),
    *(f"what:{each}" for each in range(MAX_FORECASTS)),
    *(f"percent:{each}" for each in PERCENTS),
    *(f"element:{each}" for each in range(MAX_ELEMENTS)),
)  # fmt: skip
_INDEX = {word: index for index, word in enumerate(_WORDS)}
NUM_WORDS = len(_WORDS)
LANGUAGE_VERSION = f"{zlib.crc32(' '.join(_WORDS).encode()):08x}"
"""Another one when a token means something else: weights and samples are of one language."""
NUM_TOKENS = NUM_WORDS + MAX_FRAMES + MAX_FRAMES * MAX_REGIONS
PAD, START, END = _INDEX["<pad>"], _INDEX["<start>"], _INDEX["<end>"]
MAX_TOKENS = 2 + 2 * MAX_ELEMENTS + 4 * MAX_RELATIONS + 4 * MAX_ACTIONS + 2 * MAX_FORECASTS + len(_SECTIONS)


@dataclass(frozen=True, slots=True)
class SeenElement:
    """A thing in the report."""

    name: str
    """Of `NAMES`."""
    frame: int
    """From 0, among the clip's kept frames."""
    region: int | None
    """Index among the frame's kept regions; None where it is none of them."""


@dataclass(frozen=True, slots=True)
class SeenRelation:
    """How two elements stand to each other."""

    subject: int
    kind: RelationKind
    object: int
    """Index of an element, or `ZONE`."""
    frame: int


@dataclass(frozen=True, slots=True)
class SeenAction:
    """What an element does."""

    who: int
    what: str
    """Of `ACTIONS`."""
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class SeenForecast:
    """What may happen next."""

    what: int
    """Index among the tale's."""
    percent: int
    """Of `PERCENTS`."""


@dataclass(frozen=True, slots=True)
class ReportPlan:
    """A report before it has words."""

    tale: str = "ordinary"
    """Key of `TALES`."""
    severity: Severity = Severity.LOW
    elements: tuple[SeenElement, ...] = ()
    relations: tuple[SeenRelation, ...] = ()
    actions: tuple[SeenAction, ...] = ()
    forecasts: tuple[SeenForecast, ...] = ()


@dataclass(frozen=True, slots=True)
class Present:
    """What a report can point to."""

    regions: tuple[int, ...]
    """Regions kept of each frame, frame by frame; at least one frame."""
    has_zone: bool


def nearest(value: float, choices: Sequence[int]) -> int:
    """The bucket of a number."""
    return min(choices, key=lambda choice: (round(abs(choice - value), 6), choice))


def encode(plan: ReportPlan) -> list[int]:
    """The plan as tokens, without `START`, with `END`."""
    tokens = [_INDEX[f"tale:{plan.tale}"], _INDEX[f"severity:{plan.severity}"]]
    for element in plan.elements:
        where = _frame(element.frame) if element.region is None else _region(element.frame, element.region)
        tokens += [_INDEX[f"name:{element.name}"], where]
    tokens.append(_INDEX["<relations>"])
    for relation in plan.relations:
        other = _INDEX["<zone>"] if relation.object == ZONE else _element(relation.object)
        tokens += [_element(relation.subject), _INDEX[f"kind:{relation.kind}"], other, _frame(relation.frame)]
    tokens.append(_INDEX["<actions>"])
    for action in plan.actions:
        doing = _INDEX[f"action:{action.what}"]
        tokens += [_element(action.who), doing, _frame(action.first), _frame(action.last)]
    tokens.append(_INDEX["<forecasts>"])
    for each in plan.forecasts:
        tokens += [_INDEX[f"what:{each.what}"], _INDEX[f"percent:{each.percent}"]]
    return [*tokens, END]


def decode(tokens: Sequence[int]) -> ReportPlan:
    """The plan of tokens that a `Writer` allowed, `END` among them."""
    parts = _sections(tokens)
    tale, severity, *elements = parts[0]
    return ReportPlan(
        _said(tale),
        Severity(_said(severity)),
        tuple(SeenElement(_said(name), *_place(where)) for name, where in _groups(elements, 2)),
        tuple(
            SeenRelation(int(_said(who)), RelationKind(_said(kind)), _object(other), _place(frame)[0])
            for who, kind, other, frame in _groups(parts[1], 4)
        ),
        tuple(
            SeenAction(int(_said(who)), _said(what), _place(first)[0], _place(last)[0])
            for who, what, first, last in _groups(parts[2], 4)
        ),
        tuple(SeenForecast(int(_said(what)), int(_said(percent))) for what, percent in _groups(parts[3], 2)),
    )


class Writer:
    """Knows what can come next. Feed it every token that was chosen."""

    def __init__(self, present: Present) -> None:
        self._present = present
        self._section = -1
        """-1 before the severity is out; then the section, 0 for elements."""
        self._entry: list[int] = []
        """What is written of the entry under way."""
        self._num_entries = 0
        self._num_elements = 0
        self._used: set[int] = set()
        """Regions that have a name, and forecasts that are made: nothing is said twice."""
        self._related: set[tuple[int, ...]] = set()
        """Relations without their frames: each is said once, where there is another to say."""
        self._tale = ""
        self.is_done = False

    def allowed(self) -> list[int]:
        """Every token that can follow; never empty before the end."""
        if self._section < 0:
            return _starting("severity:" if self._entry else "tale:")
        if not self._entry:
            return self._first_words()
        return (self._of_element, self._of_relation, self._of_action, self._of_forecast)[self._section]()

    def take(self, token: int) -> None:
        """The next token; `ValueError` when it cannot follow."""
        if self.is_done or token not in self.allowed():
            raise ValueError(f"token {token} cannot follow here")
        if not self._entry and self._section >= 0 and token == _INDEX[_SECTIONS[self._section]]:
            self._section, self._num_entries = self._section + 1, 0
            self.is_done = token == END
            return
        self._entry.append(token)
        if len(self._entry) == (2, 2, 4, 4, 2)[self._section + 1]:
            self._finish()

    def _finish(self) -> None:
        if self._section < 0:
            self._section, self._tale = 0, _said(self._entry[0])
        else:
            self._num_entries += 1
            self._used.add(self._entry[1 if self._section == 0 else 0])
            self._num_elements += self._section == 0
            if self._section == 1:
                self._related.add(tuple(self._entry[:3]))
        self._entry = []

    def _first_words(self) -> list[int]:
        """The section's end, or the start of one more entry."""
        end = _INDEX[_SECTIONS[self._section]]
        if self._num_entries >= (MAX_ELEMENTS, MAX_RELATIONS, MAX_ACTIONS, MAX_FORECASTS)[self._section]:
            return [end]
        if self._section == 0:
            return [end, *_starting("name:")]
        if self._section == 3:
            own = _starting("what:")[: NUM_FORECASTS[self._tale]]
            return [end, *(what for what in own if what not in self._used)]
        needed = 1 if self._section == 2 or self._present.has_zone else 2
        return [end, *self._elements()] if self._num_elements >= needed else [end]

    def _of_element(self) -> list[int]:
        frames = range(len(self._present.regions))
        regions = [_region(frame, index) for frame in frames for index in range(self._present.regions[frame])]
        return [_frame(frame) for frame in frames] + [place for place in regions if place not in self._used]

    def _of_relation(self) -> list[int]:
        if len(self._entry) == 1:
            return _starting("kind:")
        if len(self._entry) == 2:
            others = [token for token in self._elements() if token != self._entry[0]]
            others += [_INDEX["<zone>"]] * self._present.has_zone
            return [token for token in others if (*self._entry, token) not in self._related] or others
        return [_frame(frame) for frame in range(len(self._present.regions))]

    def _of_action(self) -> list[int]:
        if len(self._entry) == 1:
            return _starting("action:")
        earliest = 0 if len(self._entry) == 2 else _place(self._entry[2])[0]
        return [_frame(frame) for frame in range(earliest, len(self._present.regions))]

    def _of_forecast(self) -> list[int]:
        return _starting("percent:")

    def _elements(self) -> list[int]:
        return [_element(index) for index in range(self._num_elements)]


_BY_PREFIX = {
    prefix: [index for word, index in _INDEX.items() if word.startswith(prefix)]
    for prefix in ("tale:", "severity:", "name:", "kind:", "action:", "what:", "percent:")
}


def _starting(prefix: str) -> list[int]:
    return _BY_PREFIX[prefix]


def _element(index: int) -> int:
    return _INDEX[f"element:{index}"]


def _frame(frame: int) -> int:
    return NUM_WORDS + frame


def _region(frame: int, region: int) -> int:
    return NUM_WORDS + MAX_FRAMES + frame * MAX_REGIONS + region


def _place(token: int) -> tuple[int, int | None]:
    """Frame and region of a pointer."""
    offset = token - NUM_WORDS
    if offset < MAX_FRAMES:
        return offset, None
    frame, region = divmod(offset - MAX_FRAMES, MAX_REGIONS)
    return frame, region


def _said(token: int) -> str:
    return _WORDS[token].partition(":")[2]


def _object(token: int) -> int:
    return ZONE if token == _INDEX["<zone>"] else int(_said(token))


def _sections(tokens: Sequence[int]) -> list[list[int]]:
    parts: list[list[int]] = [[]]
    for token in tokens:
        if token in _ENDS:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


_ENDS = frozenset(_INDEX[each] for each in _SECTIONS)


def _groups(tokens: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (tokens[start : start + size] for start in range(0, len(tokens), size))
