"""Which claims of a report the evidence bears out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipeline.contracts.assessment import Action, Element, Forecast, Relation, RelationKind
from pipeline.contracts.rule import Rule, TrackPredicate
from pipeline.jpeg import decode, encode_pixels
from pipeline.reasoning.grounding import check, lost_subject
from tests.support.grounding import CAR, OTHER_PERSON, PERSON, Sides, element, report, scene

SEEN = {PERSON: "person", OTHER_PERSON: "person", CAR: "car"}
EMPTY = (85, 5, 115, 95)
MAN, WOMAN, VAN = element("man", PERSON), element("woman", OTHER_PERSON), element("white van", CAR)


def _reasons(*elements: Element, seen: Sequence[dict[Sides, str]] = (SEEN, SEEN), **claims: Any) -> list[str]:
    given, pictures = scene(*seen)
    kept, grounding = check(report(*elements, **claims), given, pictures)
    num_kept = sum(len(each) for each in (kept.elements, kept.relations, kept.actions, kept.forecasts))
    assert grounding.num_supported == num_kept
    assert grounding.num_checked == num_kept + len(grounding.removed)
    return [f"{each.claim}: {each.reason}" for each in grounding.removed]


def _relation(subject: str, kind: RelationKind, thing: str, number: int = 1) -> Relation:
    return Relation(subject=subject, kind=kind, relation="so", object=thing, frame=number)


def test_what_is_there_stays() -> None:
    """Things where the detector saw their kind, what they do, and what may come of it are all kept."""
    claims = {
        "relations": (_relation("man", RelationKind.LEFT_OF, "van"), _relation("woman", RelationKind.LOOKS_AT, "man")),
        "actions": (Action(who="the man", what="walks", first_frame=1, last_frame=2),),
        "forecasts": (Forecast(what="The man will leave.", within_seconds=9, probability=0.5),),
    }
    assert _reasons(MAN, WOMAN, VAN, element("two people", (15, 15, 85, 85)), **claims) == []


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        pytest.param(element("man", PERSON, 3), "picture 3 was not sent", id="frame not sent"),
        pytest.param(element("man", CAR), "meets none that the detector saw in picture 1", id="elsewhere"),
        pytest.param(element("gate", EMPTY), "nothing in its box", id="nothing there"),
        pytest.param(element("gate", (0, 0, 200, 100)), "the whole picture", id="whole picture"),
        pytest.param(element("five men"), "are 5, and 2 were seen", id="too many"),
    ],
)
def test_a_thing_that_is_not_there_is_removed(claim: Element, reason: str) -> None:
    """With the reason; the others stay."""
    (removed,) = _reasons(MAN, claim)
    assert removed.startswith(f"{claim.name} in picture {claim.frame}: ")
    assert reason in removed


def test_a_thing_without_a_box_must_have_been_seen_if_its_kind_is() -> None:
    """The detector knows people here and saw none in that picture; of gates it knows nothing."""
    reasons = _reasons(element("man", None, 2), element("gate", None, 2), seen=(SEEN, {CAR: "car"}))
    assert reasons == ["man in picture 2: it has no box, and the detector saw none in picture 2"]


def test_a_kind_the_detector_does_not_know_needs_something_in_its_box() -> None:
    """What is drawn but was not detected is kept under a name that nothing contradicts."""
    assert _reasons(element("ladder", CAR), seen=({CAR: ""},)) == []


def test_what_only_moves_bears_out_a_thing_of_any_kind() -> None:
    """Where a motion detector alone looks, a claim at what moves needs no edges, and one beside it may stay too."""
    assert _reasons(element("man", EMPTY), element("ladder", CAR), seen=({EMPTY: "moving", CAR: ""},)) == []


@pytest.mark.parametrize(
    ("relation", "reason"),
    [
        pytest.param(_relation("man", RelationKind.RIGHT_OF, "van"), "say otherwise than 'right of'", id="wrong side"),
        pytest.param(_relation("man", RelationKind.INSIDE, "van"), "say otherwise than 'inside'", id="not inside"),
        pytest.param(_relation("man", RelationKind.HOLDS, "van"), "say otherwise than 'holds'", id="too far to hold"),
        pytest.param(_relation("dog", RelationKind.FOLLOWS, "man"), "dog is among neither", id="nobody of that name"),
        pytest.param(_relation("six men", RelationKind.NEXT_TO, "van"), "are 6, and 2", id="too many"),
        pytest.param(_relation("man", RelationKind.NEXT_TO, "van", 9), "picture 9 was not sent", id="frame"),
        pytest.param(
            Relation(subject="man", relation="is right of", object="van", frame=1), "'right of'", id="in free words"
        ),
    ],
)
def test_a_relation_the_boxes_contradict_is_removed(relation: Relation, reason: str) -> None:
    """Where both have a box; and both must be known."""
    (removed,) = _reasons(MAN, VAN, relations=(relation,))
    assert reason in removed


def test_a_relation_falls_with_what_it_is_about() -> None:
    """A claim about a thing that was itself removed has no support left."""
    gate = element("gate", EMPTY)
    reasons = _reasons(MAN, gate, relations=(_relation("man", RelationKind.CLIMBS, "gate"),))
    assert [each.split(" in ")[0] for each in reasons] == ["gate", "man so gate"]


def test_a_zone_of_the_camera_is_a_place() -> None:
    """The zone `fence` need not be among the elements, and its outline is its box."""
    inside, outside = _relation("man", RelationKind.INSIDE, "fence"), _relation("van", RelationKind.INSIDE, "fence")
    (removed,) = _reasons(
        element("man", (90, 30, 110, 70)),
        VAN,
        relations=(inside, outside),
        seen=({CAR: "car", (90, 30, 110, 70): "person"},),
    )
    assert removed.startswith("van so fence")


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        pytest.param(("man", 2, 1), "ends in picture 1, before it begins in picture 2", id="backwards"),
        pytest.param(("man", 1, 5), "picture 5 was not sent", id="frame"),
        pytest.param(("dog", 1, 2), "dog is among neither", id="nobody"),
    ],
)
def test_an_action_needs_its_frames_and_somebody(action: tuple[str, int, int], reason: str) -> None:
    """In order, sent, and by somebody who is known."""
    who, first, last = action
    (removed,) = _reasons(MAN, actions=(Action(who=who, what="runs", first_frame=first, last_frame=last),))
    assert reason in removed


@pytest.mark.parametrize(
    ("what", "num_removed"),
    [("The dog will bite.", 1), ("A dog may come.", 0), ("The man might fall.", 0), ("It will rain.", 0)],
)
def test_a_forecast_is_about_what_is_there_or_may_come(what: str, num_removed: int) -> None:
    """Of a known thing that is not there nothing can be foretold; newcomers may be."""
    assert len(_reasons(MAN, forecasts=(Forecast(what=what, within_seconds=5, probability=0.4),))) == num_removed


@pytest.mark.parametrize(("looked", "num_removed"), [(True, 0), (False, 2), (None, 1)])
def test_a_second_look_decides_where_no_region_does(looked: bool | None, num_removed: int) -> None:
    """Asked only of what no region supports; without its answer the boxes decide, as they do without it."""
    asked: list[str] = []

    def look(jpeg: bytes, name: str) -> bool | None:
        assert jpeg.startswith(b"\xff\xd8")
        asked.append(name)
        return looked

    given, pictures = scene({PERSON: "person", CAR: ""})
    claims = report(MAN, element("ladder", CAR), element("gate", EMPTY))
    _, grounding = check(claims, given, pictures, look, max_looks=2)
    assert asked == ["ladder", "gate"]
    assert len(grounding.removed) == num_removed


def test_by_night_fewer_edges_are_enough() -> None:
    """A thing in a dark picture is held against that picture, not against what daylight shows."""
    given, pictures = scene({CAR: ""})
    dark = encode_pixels(decode(given.frames[0].jpeg) // 12, 95)
    night = [replace(each, frame=replace(each.frame, jpeg=dark)) for each in pictures]
    _, grounding = check(report(element("ladder", CAR), element("gate", EMPTY)), given, night)
    assert [each.claim for each in grounding.removed] == ["gate in picture 1"]


def test_second_looks_are_bounded() -> None:
    """No more crops are put to the model than were allowed."""
    given, pictures = scene({CAR: ""})
    asked: list[str] = []
    claims = report(*(element(f"thing {number}", CAR) for number in range(8)))
    check(claims, given, pictures, lambda _, name: bool(asked.append(name)), max_looks=3)
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("rule", "lost"),
    [
        pytest.param(Rule(id="r", when="a dog runs about"), "dog", id="in its words"),
        pytest.param(Rule(id="r", track=TrackPredicate(object=("dog",), enters="yard")), "dog", id="in its predicate"),
        pytest.param(Rule(id="r", when="a person climbs the fence"), "", id="of something else"),
        pytest.param(Rule(id="r", when="a cat is there", ask="有人吗？"), "", id="of nothing that is named"),
    ],
)
def test_the_thing_the_rule_is_about_is_missed(rule: Rule, lost: str) -> None:
    """When what was removed is what the rule is about, and nothing else of its kind is left."""
    given, pictures = scene(SEEN, rule=rule)
    before = report(MAN, element("dog", EMPTY))
    after, _ = check(before, given, pictures)
    assert lost_subject(before, after, given) == lost


def test_what_the_detector_saw_is_not_missed() -> None:
    """A person who was only pointed to in the wrong place is there all the same."""
    given, pictures = scene(SEEN, rule=Rule(id="r", when="a person climbs the fence"))
    before = report(element("man", EMPTY))
    after, grounding = check(before, given, pictures)
    assert len(grounding.removed) == 1
    assert lost_subject(before, after, given) == ""
