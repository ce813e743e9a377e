"""The context of a request: from the site file and from earlier incidents."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Answer, ReviewedVerdict, Verdict
from pipeline.contracts.candidate import Candidate
from pipeline.contracts.incident import Incident, IncidentFilter
from pipeline.errors import TransientError
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.runtime.context import (
    MAX_REVIEWED,
    MAX_UNREVIEWED,
    ContextBook,
    Earlier,
    earlier,
    precedents_of,
    reviewed_verdict,
)
from pipeline.settings import ReasoningSettings
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from tests.support.context import judged, seen
from tests.support.local import site_of
from tests.support.reasoning import ScriptedModel, request
from tests.support.store import START, make_assessment, make_candidate

SITE = """
site: {policy: Only people count., questions: "Is anybody over the fence?"}
cameras:
  - {id: gate, url: gate.mp4, scene: {place: a gate, normal: lorries, hazards: [the railway]}}
  - {id: yard, url: yard.mp4}
rules: [{id: climb, track: {object: any, count_above: 0}}]
"""
UTC = ZoneInfo("UTC")


class Store(SqlIncidentStore):
    """Counts what is looked up, and can be away."""

    num_asked = 0
    is_away = False

    def find(self, wanted: IncidentFilter) -> list[Incident]:
        self.num_asked += 1
        if self.is_away:
            raise TransientError("away")
        return super().find(wanted)


@pytest.fixture
def store(sqlite_database: Database) -> Store:
    return Store(sqlite_database)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def book(store: Store, clock: ManualClock) -> ContextBook:
    return ContextBook(store, site_of(SITE), clock)


def ago(hours: float, **changes: object) -> Candidate:
    return make_candidate(START - timedelta(hours=hours), **changes)


def kept(candidate: Candidate, *, is_right: bool | None = None) -> Earlier:
    return earlier(judged(candidate, is_right=is_right).incident)


NOW = judged(make_candidate()).incident


def test_what_the_site_file_says_is_told(book: ContextBook) -> None:
    """One entry may stand for a list of one."""
    context = book.of(NOW)
    assert context.scene.model_dump() == {"place": "a gate", "normal": ("lorries",), "hazards": ("the railway",)}
    assert (context.policy, context.questions) == ("Only people count.", ("Is anybody over the fence?",))
    assert context.precedents == ()


def test_a_camera_without_a_card_has_an_empty_one(book: ContextBook) -> None:
    """Nobody has to write one."""
    assert book.of(judged(make_candidate(camera_id="yard")).incident).scene.place == ""


def test_a_rejection_comes_back_with_the_persons_words(book: ContextBook, store: Store) -> None:
    """Of the same rule, on this camera and on others; not what came later, nor the incident itself."""
    for candidate in (ago(72), ago(1, camera_id="yard"), ago(-1), NOW.candidate):
        assert store.commit(judged(candidate, is_right=False, note="the gardener"), [])
    found = book.of(NOW).precedents
    assert [one.at for one in found] == [ago(hours).opened_at for hours in (72, 1)]
    assert found[0].outcome == "a person said: a false alarm (the gardener)"
    assert (found[0].is_false_alarm, found[0].words, found[0].likeness) == (True, "person 4 entered fence", None)


def test_a_burst_asks_the_database_once(book: ContextBook, store: Store, clock: ManualClock) -> None:
    """And a review is seen some seconds later."""
    for _ in range(20):
        book.of(NOW)
    assert store.num_asked == 2
    assert store.commit(judged(ago(1), is_right=False), [])
    clock.advance(11.0)
    assert len(book.of(NOW).precedents) == 1


def test_without_the_database_there_is_what_was_known(book: ContextBook, store: Store, clock: ManualClock) -> None:
    """The site's own words at least; it is spared for some seconds, and asked again after."""
    store.is_away = True
    assert book.of(NOW).policy == "Only people count."
    assert book.of(NOW).precedents == ()
    assert store.num_asked == 2
    store.is_away = False
    assert store.commit(judged(ago(1), is_right=False), [])
    clock.advance(11.0)
    assert len(book.of(NOW).precedents) == 1
    store.is_away = True
    clock.advance(11.0)
    assert len(book.of(NOW).precedents) == 1


def test_a_new_site_file_is_followed(book: ContextBook) -> None:
    """From the next request on."""
    book.follow(site_of(SITE.replace("Only people", "Foxes")))
    assert book.of(NOW).policy == "Foxes count."


def test_the_most_alike_come_first() -> None:
    """By what the same encoder saw; what another encoder saw, or none, comes after, whatever its time."""
    near, far = seen([1.0, 0.1], at=ago(90).started_at), seen([0.1, 1.0], at=ago(2).started_at)
    other = seen([1.0, 0.0], encoder="siglip", at=ago(1).started_at)
    wider = seen([1.0, 0.0, 0.0], at=ago(3).started_at)
    found = [kept(one, is_right=False) for one in (far, other, near, wider)]
    told = precedents_of(seen([1.0, 0.0]), found, UTC)
    assert [one.at for one in told] == [one.opened_at for one in (near, far, other, wider)]
    assert [one.likeness is None for one in told] == [False, False, True, True]
    assert told[0].likeness == pytest.approx(0.995, abs=0.002)


def test_without_pictures_to_compare_rule_camera_and_time_of_day_decide() -> None:
    """In this order; midnight is no wall between 23:00 and 01:00."""
    candidates = [
        ago(1, rule_id="entry"),
        ago(2, camera_id="yard"),
        ago(36),
        ago(22),
        ago(24 * 9),
    ]
    told = precedents_of(make_candidate(), [kept(one, is_right=True) for one in candidates], UTC)
    assert [one.at for one in told] == [candidates[number].opened_at for number in (4, 3, 2, 1)]


def test_what_people_said_comes_before_what_models_thought() -> None:
    """At most so many of each: a model does not learn from itself."""
    people = [kept(ago(n), is_right=False) for n in range(20, 30)]
    models = [kept(ago(n)) for n in range(1, 10)]
    told = precedents_of(make_candidate(), [*models, *people], UTC)
    assert [one.is_false_alarm for one in told] == [True] * MAX_REVIEWED + [None] * MAX_UNREVIEWED
    assert told[-1].outcome == "confirmed by a model"


def test_what_nobody_could_tell_and_trouble_with_a_camera_are_no_precedents(book: ContextBook, store: Store) -> None:
    """Neither says anything of what is seen."""
    unknown = ago(2)
    assert store.commit(judged(unknown, assessment=make_assessment(unknown.id, Verdict.UNVERIFIED)), [])
    trouble = ago(1)
    trouble = trouble.model_copy(update={"facts": (trouble.facts[0].model_copy(update={"kind": "black"}),)})
    assert store.commit(judged(trouble), [])
    assert book.of(NOW).precedents == ()


def test_reviewed_verdicts_are_gathered_for_the_rule(book: ContextBook, store: Store) -> None:
    """The raw probability; of rows from before there was one, the only one. Without an answer, or a review: nothing."""
    raw = make_assessment("a", Verdict.CONFIRMED, probability=0.7, raw_probability=0.9, model_id="m")
    old = make_assessment("b", Verdict.REJECTED, probability=0.2, model_id="m", prompt_version="p")
    none = make_assessment("c", Verdict.UNVERIFIED)
    for hours, (said, is_right) in enumerate([(raw, True), (old, False), (none, True), (raw, None)], start=1):
        assert store.commit(judged(ago(hours), is_right=is_right, assessment=said), [])
    assert book.of(NOW).reviewed == (ReviewedVerdict("m", "", 0.9, True), ReviewedVerdict("m", "p", 0.2, False))
    assert reviewed_verdict(NOW) is None


def test_reviews_in_the_store_move_the_next_verdict(book: ContextBook, store: Store) -> None:
    """From a person's word to the calibrated probability of the same model on the same rule."""
    model = VlmReasoner(ScriptedModel([Answer(0.9, 0.1, 0.0)]), ReasoningSettings(), ManualClock())
    first = model.assess(request(context=book.of(NOW)))
    assert (first.verdict, first.probability) == (Verdict.CONFIRMED, 0.9)
    for hours in range(1, 31):
        assert store.commit(judged(ago(hours), is_right=False, assessment=first), [])
    again = model.assess(request(context=ContextBook(store, site_of(SITE), ManualClock()).of(NOW)))
    assert (again.verdict, again.raw_probability) == (Verdict.UNVERIFIED, 0.9)
    assert again.probability is not None
    assert again.probability < 0.6
    assert "without people's reviews of this rule: yes 0.90" in again.reason
