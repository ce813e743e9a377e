"""A report's claims against the evidence: what the pictures and the detector bear out stays, the rest goes.

In: a report, the request and the pictures that were sent. Out: the report without the claims nothing supports, and
what was removed and why. A claim is an element, a relation, an action, or a forecast about something that is there.

- Every frame that is cited was sent; an action's frames are in order.
- A box meets something of that kind which the detector saw in that frame. Where it saw none of the kind (it knows
  few kinds), a second look at the crop says whether it is there, if one can be had; else the box must hold
  something (edges) and not be the whole picture.
- What relations, actions and forecasts name is among the elements, seen by the detector, or a zone of the camera.
- Sides and distances agree with the boxes where both things have one; `in front of`, `behind` and what happens in
  time cannot be seen from boxes and are left alone.
- No more of a kind than elements and detector support.

Sentences cannot be cut reliably: title and explanation stay as they are, beside what was removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np

from pipeline.contracts.assessment import (
    Action,
    Element,
    Forecast,
    Grounding,
    Relation,
    RelationKind,
    RemovedClaim,
    Report,
    VerificationRequest,
)
from pipeline.contracts.candidate import SeenRegion
from pipeline.contracts.observation import MOVING
from pipeline.contracts.rule import ANY_OBJECT, Polygon
from pipeline.contracts.values import Box, Image
from pipeline.jpeg import decode, encode_pixels
from pipeline.reasoning.naming import count_of, is_same, labels_in, labels_of, subject_of
from pipeline.reasoning.pictures import Picture
from pipeline.reasoning.placing import Limits, agrees, meets, spatial_kind

SecondLook = Callable[[bytes, str], bool | None]
"""(JPEG of a crop, name) → whether it is in it; None when nobody could tell."""
_CROP_MARGIN = 0.15
_CROP_JPEG_QUALITY = 90
_MAX_CLAIM_CHARACTERS = 300
_MAX_REASON_CHARACTERS = 200
_MAX_REMOVED = 40
"""The contract's bounds."""

Claim = TypeVar("Claim", Element, Relation, Action, Forecast)


LIMITS = Limits()


def check(
    report: Report,
    request: VerificationRequest,
    pictures: Sequence[Picture],
    second_look: SecondLook | None = None,
    *,
    max_looks: int = 4,
    limits: Limits = LIMITS,
) -> tuple[Report, Grounding]:
    """The report without what nothing supports, and what that was. `pictures` as they were sent, frame 1 first."""
    evidence = _Evidence(_frames(request, pictures), request.zones, limits, second_look, max_looks)
    removed: list[RemovedClaim] = []
    elements = _kept(report.elements, evidence.element_problem, _element_words, removed)
    evidence.elements = elements
    relations = _kept(report.relations, evidence.relation_problem, _relation_words, removed)
    actions = _kept(report.actions, evidence.action_problem, lambda a: f"{a.who}: {a.what}", removed)
    forecasts = _kept(report.forecasts, evidence.forecast_problem, lambda f: f.what, removed)
    kept = {"elements": elements, "relations": relations, "actions": actions, "forecasts": forecasts}
    num_kept = sum(map(len, kept.values()))
    grounding = Grounding(num_checked=num_kept + len(removed), num_supported=num_kept, removed=tuple(removed))
    return report.model_copy(update=kept), grounding


def lost_subject(before: Report, after: Report, request: VerificationRequest) -> str:
    """A thing the rule is about that was claimed and has no support left: no other element and nothing the detector
    saw is of its kind. Empty when there is none."""
    rule = request.rule
    regions = [region for key_frame in request.candidate.key_frames for region in key_frame.regions]
    left = [*(element.name for element in after.elements), *(region.label for region in regions)]
    about = labels_in(rule.ask or rule.when or "") | frozenset(rule.track.object if rule.track else ()) - {ANY_OBJECT}
    gone = (element.name for element in before.elements if element not in after.elements)
    return next(
        (name for name in gone if labels_of(name) & about and not any(is_same(name, other) for other in left)), ""
    )


def with_withheld(grounding: Grounding, withheld: Sequence[RemovedClaim]) -> Grounding:
    """Together with what was taken out before for what it says of people."""
    removed = (*withheld, *grounding.removed)
    return grounding.model_copy(
        update={"num_checked": grounding.num_checked + len(withheld), "removed": removed[:_MAX_REMOVED]}
    )


def _kept(
    claims: Sequence[Claim], problem: Callable[[Claim], str], words: Callable[[Claim], str], removed: list[RemovedClaim]
) -> tuple[Claim, ...]:
    """Those without a problem, in their order; the others are added to `removed`."""
    kept = []
    for claim in claims:
        if reason := problem(claim):
            text = words(claim)[:_MAX_CLAIM_CHARACTERS]
            removed.append(RemovedClaim(claim=text, reason=reason[:_MAX_REASON_CHARACTERS]))
        else:
            kept.append(claim)
    return tuple(kept)


def _element_words(element: Element) -> str:
    return f"{element.name} in picture {element.frame}"


def _relation_words(relation: Relation) -> str:
    return f"{relation.subject} {relation.relation} {relation.object} in picture {relation.frame}"


def _frames(request: VerificationRequest, pictures: Sequence[Picture]) -> dict[int, _Frame]:
    regions = {key_frame.sequence: key_frame.regions for key_frame in request.candidate.key_frames}
    return {
        number: _Frame(number, picture.frame.jpeg, regions.get(picture.frame.sequence, ()))
        for number, picture in enumerate(pictures, start=1)
    }


@dataclass
class _Frame:
    """A frame that was sent: what the detector saw in it, and its pixels."""

    number: int
    jpeg: bytes
    regions: Sequence[SeenRegion]

    @cached_property
    def pixels(self) -> Image:
        """As the camera gave them, without the zone's outline."""
        return decode(self.jpeg)

    @cached_property
    def all_edges(self) -> float:
        """Of the whole picture."""
        return self.edges(self.box((0.0, 0.0, 1.0, 1.0)))

    def of(self, labels: frozenset[str]) -> list[Box]:
        """Where the detector saw things of these labels."""
        return [Box(*region.box) for region in self.regions if region.label in labels]

    def box(self, sides: tuple[float, float, float, float]) -> Box:
        """Fractions of the picture as pixels."""
        height, width = self.pixels.shape[:2]
        left, top, right, bottom = sides
        return Box(left * width, top * height, right * width, bottom * height)

    def crop(self, box: Box, margin: float = 0.0) -> Image:
        """The pixels in a box and around it; may be empty."""
        height, width = self.pixels.shape[:2]
        x, y = margin * box.width, margin * box.height
        top, bottom = max(int(box.top - y), 0), min(int(np.ceil(box.bottom + y)), height)
        left, right = max(int(box.left - x), 0), min(int(np.ceil(box.right + x)), width)
        return self.pixels[top:bottom, left:right]

    def edges(self, box: Box) -> float:
        """90th percentile of the gradient in a box, grey levels a pixel, after a blur that takes the sensor's grain."""
        crop = self.crop(box)
        if min(crop.shape[:2]) < 3:
            return 0.0
        grey = cv2.GaussianBlur(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (0, 0), 1.0).astype(np.float32)
        across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
        return float(np.percentile(np.hypot(across, down), 90))


@dataclass
class _Evidence:
    """What claims are held against; each `…_problem` is empty when the claim is supported."""

    frames: Mapping[int, _Frame]
    zones: Mapping[str, Polygon]
    limits: Limits
    second_look: SecondLook | None
    looks_left: int
    elements: tuple[Element, ...] = field(default=())
    """Those that are supported."""

    def element_problem(self, element: Element) -> str:
        """Of one thing that is named."""
        frame = self.frames.get(element.frame)
        if frame is None:
            return f"picture {element.frame} was not sent"
        seen = frame.of(labels_of(element.name))
        if problem := self._count_problem(element.name, len(seen)):
            return problem
        if element.box is None:
            return self._unplaced_problem(element, seen)
        return self._box_problem(element.name, frame, frame.box(element.box), seen)

    def relation_problem(self, relation: Relation) -> str:
        """Of how two things stand to each other."""
        frame = self.frames.get(relation.frame)
        if frame is None:
            return f"picture {relation.frame} was not sent"
        if problem := self._name_problem(relation.subject, frame) or self._name_problem(relation.object, frame):
            return problem
        kind = spatial_kind(relation)
        subjects, objects = self._places(relation.subject, frame), self._places(relation.object, frame)
        pairs = [(one, other) for one in subjects for other in objects if one != other]
        if kind is not RelationKind.OTHER and pairs and not any(agrees(kind, one, other) for one, other in pairs):
            return f"the boxes in picture {relation.frame} say otherwise than {kind.value!r}"
        return ""

    def action_problem(self, action: Action) -> str:
        """Of what somebody does."""
        unsent = sorted({action.first_frame, action.last_frame} - set(self.frames))
        if unsent:
            return f"picture {unsent[0]} was not sent"
        if action.first_frame > action.last_frame:
            return f"it ends in picture {action.last_frame}, before it begins in picture {action.first_frame}"
        return self._name_problem(action.who, *(self._span(action)))

    def forecast_problem(self, forecast: Forecast) -> str:
        """Of something that may happen to what is there."""
        subject = subject_of(forecast.what)
        return self._name_problem(subject, *self.frames.values()) if subject else ""

    def _span(self, action: Action) -> list[_Frame]:
        return [self.frames[number] for number in range(action.first_frame, action.last_frame + 1)]

    def _unplaced_problem(self, element: Element, seen: Sequence[Box]) -> str:
        """Of a thing without a box: a kind that the detector knows here must have been seen in that frame."""
        is_detectable = any(frame.of(labels_of(element.name)) for frame in self.frames.values())
        if seen or not is_detectable:
            return ""
        return f"it has no box, and the detector saw none in picture {element.frame}"

    def _box_problem(self, name: str, frame: _Frame, box: Box, seen: Sequence[Box]) -> str:
        # What only moves may be of any kind: it can bear a claim out, and contradicts none.
        regions = [*seen, *frame.of(frozenset({MOVING}))]
        if any(meets(box, each, self.limits, is_many=count_of(name) > 1) for each in regions):
            return ""
        looked = self._look(frame, box, name)
        if looked is not None:
            return "" if looked else f"a second look at its box in picture {frame.number} did not find it"
        if seen:
            return f"its box meets none that the detector saw in picture {frame.number}"
        height, width = frame.pixels.shape[:2]
        if box.area > self.limits.max_picture_share * width * height:
            return "its box is the whole picture"
        # A picture without any edge, black or covered, bears nothing out.
        if frame.edges(box) <= min(self.limits.min_edges, self.limits.edge_share * frame.all_edges):
            return f"there is nothing in its box in picture {frame.number}"
        return ""

    def _look(self, frame: _Frame, box: Box, name: str) -> bool | None:
        crop = frame.crop(box, _CROP_MARGIN)
        if self.second_look is None or self.looks_left <= 0 or not crop.size:
            return None
        self.looks_left -= 1
        return self.second_look(encode_pixels(np.ascontiguousarray(crop), _CROP_JPEG_QUALITY), name)

    def _name_problem(self, name: str, *frames: _Frame) -> str:
        """Of a thing that is spoken of: it must be known, and not be more than are."""
        named = [element for element in self.elements if is_same(element.name, name)]
        labels = labels_of(name)
        num_seen = max((len(frame.of(labels)) for frame in frames), default=0)
        is_zone = any(is_same(zone, name) for zone in self.zones)
        if not named and not num_seen and not is_zone:
            return f"{name} is among neither the elements nor what the detector saw"
        per_frame = [
            sum(count_of(element.name) for element in named if element.frame == frame.number) for frame in frames
        ]
        return self._count_problem(name, max(num_seen, *per_frame, 0))

    def _count_problem(self, name: str, num_known: int) -> str:
        """More of a kind than are known; where none is, the number cannot be checked."""
        number = count_of(name)
        if number == 1 or not num_known or number <= num_known + int(num_known * self.limits.count_slack):
            return ""
        return f"{name} are {number}, and {num_known} were seen"

    def _places(self, name: str, frame: _Frame) -> list[Box]:
        """Where a thing is in a frame: the boxes of elements of exactly this name, of the same kind, or of what the
        detector and the camera's zones call so."""
        here = [(element.name, frame.box(element.box)) for element in self.elements
                if element.frame == frame.number and element.box is not None]  # fmt: skip
        exact = [box for other, box in here if other.casefold() == name.casefold()]
        alike = [box for other, box in here if is_same(other, name)]
        zones = [frame.box(_around(corners)) for zone, corners in self.zones.items() if is_same(zone, name)]
        return exact or alike or frame.of(labels_of(name)) or zones


def _around(corners: Polygon) -> tuple[float, float, float, float]:
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)
