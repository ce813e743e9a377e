"""What every `IncidentStore` promises."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipeline.contracts.alert import Owed
from pipeline.contracts.assessment import Verdict
from pipeline.contracts.candidate import CandidateState
from pipeline.contracts.incident import IncidentFilter, IncidentStatus, IncidentStore, Review
from pipeline.contracts.values import Severity
from pipeline.incidents import lifecycle
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.outbox import SqlOutbox
from tests.support.store import START, deliveries_of, followed, make_assessment, make_candidate, opened, seconds


@pytest.fixture
def store(database: Database) -> IncidentStore:
    return SqlIncidentStore(database)


@pytest.fixture
def news(database: Database) -> IncidentStore:
    """A store whose changes are to be relayed."""
    return SqlIncidentStore(database, has_bus=True)


def test_a_committed_incident_is_read_back_equal(store: IncidentStore) -> None:
    """Nothing of an incident or its change is lost on the way through the database."""
    change = opened()
    assert store.commit(change, deliveries_of(change))
    assert store.get(change.incident.id) == change.incident
    assert store.changes(change.incident.id) == [change]


def test_an_unknown_incident_is_none(store: IncidentStore) -> None:
    """Asking for what is not there is no error."""
    assert store.get("nothing") is None
    assert store.changes("nothing") == []


def test_a_change_number_can_be_taken_once(store: IncidentStore) -> None:
    """The second writer of a change number is told so, and leaves no trace."""
    first = opened()
    assert store.commit(first, [])
    assert not store.commit(first, deliveries_of(first))
    winner, loser = followed(first), followed(first, 9)
    assert store.commit(winner, [])
    assert not store.commit(loser, deliveries_of(loser))
    assert store.changes(first.incident.id) == [first, winner]
    assert store.get(first.incident.id) == winner.incident


def test_a_lost_race_owes_nothing(store: IncidentStore, database: Database) -> None:
    """The deliveries of a change that was not stored are not stored either."""
    first = opened()
    store.commit(first, deliveries_of(first))
    assert not store.commit(first, deliveries_of(first, ["police"]))
    assert SqlOutbox(database).counts()["pending"] == 1


def test_a_change_that_skips_a_number_is_refused(store: IncidentStore) -> None:
    """Changes are numbered without holes."""
    first = opened()
    second = followed(first)
    assert not store.commit(second, [])
    store.commit(first, [])
    assert not store.commit(followed(second), [])


def test_concurrent_writers_lose_no_change(store: IncidentStore) -> None:
    """Eight writers on one incident: all their changes are there, numbered without holes or doubles."""
    store.commit(opened(), [])
    incident_id = opened().incident.id

    def write(writer: int) -> None:
        for step in range(5):
            is_stored = False
            while not is_stored:
                incident = store.get(incident_id)
                assert incident is not None
                change = lifecycle.acknowledge(incident, f"{writer}-{step}", "", START)
                assert change is not None
                is_stored = store.commit(change, deliveries_of(change))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    changes = store.changes(incident_id)
    assert [change.sequence for change in changes] == list(range(1, 42))
    names = {change.incident.acknowledged_by for change in changes[1:]}
    assert names == {f"{writer}-{step}" for writer in range(8) for step in range(5)}


def test_find_lists_newest_first_up_to_the_limit(store: IncidentStore) -> None:
    """A list begins with the latest incident."""
    for minute in (2, 1, 3):
        store.commit(opened(make_candidate(START + timedelta(minutes=minute))), [])
    found = store.find(IncidentFilter(limit=2))
    assert [incident.opened_at for incident in found] == [START + seconds(182), START + seconds(122)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(IncidentFilter(camera_id="gate"), {"gate/climb", "gate/bag"}, id="camera"),
        pytest.param(IncidentFilter(rule_id="climb"), {"gate/climb", "yard/climb"}, id="rule"),
        pytest.param(IncidentFilter(statuses=(IncidentStatus.UNVERIFIED,)), {"yard/climb"}, id="status"),
        pytest.param(IncidentFilter(opened_from=START + seconds(62)), {"gate/bag", "yard/climb"}, id="from"),
        pytest.param(IncidentFilter(opened_before=START + seconds(62)), {"gate/climb"}, id="before"),
        pytest.param(IncidentFilter(camera_ids=("yard", "none")), {"yard/climb"}, id="cameras"),
        pytest.param(IncidentFilter(camera_ids=()), set(), id="no camera"),
    ],
)
def test_find_filters(store: IncidentStore, wanted: IncidentFilter, expected: set[str]) -> None:
    """Each filter leaves what it names; times are half-open."""
    store.commit(opened(make_candidate(START, "gate", "climb")), [])
    store.commit(opened(make_candidate(START + seconds(60), "gate", "bag")), [])
    store.commit(opened(make_candidate(START + seconds(120), "yard", "climb"), will_verify=False), [])
    assert {f"{i.camera_id}/{i.rule_id}" for i in store.find(wanted)} == expected


def test_a_page_begins_where_the_one_before_ended(store: IncidentStore) -> None:
    """Also among those that opened in the same moment; nothing is told twice, nothing left out."""
    for rule in ("a", "b", "c", "d"):
        store.commit(opened(make_candidate(START, "gate", rule)), [])
    seen: list[str] = []
    page = store.find(IncidentFilter(limit=3))
    while page:
        seen += [incident.id for incident in page]
        page = store.find(IncidentFilter(before=(page[-1].opened_at, page[-1].id), limit=3))
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 4


def test_times_of_other_zones_are_the_same_moments(store: IncidentStore) -> None:
    """A filter in local time finds by the moment, to the microsecond."""
    store.commit(opened(), [])
    local = (START + seconds(2)).astimezone(timezone(timedelta(hours=-7)))
    assert store.find(IncidentFilter(opened_from=local))
    assert not store.find(IncidentFilter(opened_from=local + timedelta(microseconds=1)))


def claim(store: IncidentStore, owner: str = "judge", lease_seconds: float = 60.0, limit: int = 10) -> list[str]:
    return [incident.id for incident in store.claim_verdicts(owner, lease_seconds, limit)]


def commit_three(store: IncidentStore) -> list[str]:
    """Incidents that owe a verdict, stored with the latest first; their ids, oldest first."""
    changes = [opened(make_candidate(START + seconds(60 * number))) for number in range(3)]
    for change in reversed(changes):
        store.commit(change, [])
    return [change.incident.id for change in changes]


def test_verdicts_owed_are_claimed_oldest_first_until_given(store: IncidentStore) -> None:
    """After a restart the verifications still owed are found again."""
    late, early = opened(make_candidate(START + seconds(60))), opened()
    for change in (late, early, opened(make_candidate(START + seconds(30)), will_verify=False)):
        store.commit(change, [])
    assert store.claim_verdicts("judge", 60, 10) == [early.incident, late.incident]
    verdict = lifecycle.judge(early.incident, make_assessment(early.incident.id), START)
    assert verdict is not None
    store.commit(verdict, [])
    store.release_verdicts("judge")
    assert store.claim_verdicts("judge", 60, 10) == [late.incident]


def test_a_verdict_in_one_hand_is_in_no_other(store: IncidentStore) -> None:
    """Two judges share what is owed, each up to its limit, the oldest first."""
    oldest, middle, latest = commit_three(store)
    assert claim(store, "one", limit=2) == [oldest, middle]
    assert claim(store, "two", limit=2) == [latest]
    assert claim(store, "one") == []


def test_many_judges_at_once_never_get_the_same(store: IncidentStore) -> None:
    """Eight judges that take as fast as they can: everything is taken once."""
    for number in range(40):
        store.commit(opened(make_candidate(START + seconds(number))), [])
    with ThreadPoolExecutor(8) as threads:
        taken = [
            name for names in threads.map(lambda n: claim(store, f"judge {n}", limit=5), range(8)) for name in names
        ]
    taken += claim(store, limit=40)
    assert len(taken) == 40
    assert len(set(taken)) == 40


def test_a_dead_judges_verdict_comes_back(store: IncidentStore) -> None:
    """Once its lease is over, a verdict is anybody's; one that is renewed is not."""
    oldest, middle, latest = commit_three(store)
    claim(store, "dead", lease_seconds=0.05)
    store.renew_verdicts("dead", [middle], 60)
    time.sleep(0.1)
    store.renew_verdicts("stranger", [oldest], 60)
    assert claim(store, "heir") == [oldest, latest]


def test_a_judge_that_stops_frees_what_it_holds(store: IncidentStore) -> None:
    """Nobody waits for the lease of one that stopped cleanly; what others hold stays theirs."""
    oldest, _, _ = commit_three(store)
    claim(store, "one", limit=1)
    claim(store, "two")
    store.release_verdicts("one")
    assert claim(store, "three") == [oldest]


def test_a_change_leaves_the_lease_alone(store: IncidentStore) -> None:
    """An incident that grows while it is judged is not given to another judge."""
    change = opened()
    store.commit(change, [])
    claim(store, "one")
    store.commit(followed(change), [])
    assert claim(store, "two") == []


def test_verdicts_owed_are_counted_in_hand_or_not(store: IncidentStore) -> None:
    """Their number, and since when the oldest is owed."""
    assert store.verdicts_owed() == Owed(0, None)
    commit_three(store)
    claim(store, limit=1)
    assert store.verdicts_owed() == Owed(3, opened().at)


def test_news_is_every_change_once_until_it_is_relayed(news: IncidentStore) -> None:
    """A change is claimed by one relay at a time, and never again once the bus has it."""
    change = opened()
    news.commit(change, [])
    assert news.claim_news(60, 10) == [change]
    assert news.claim_news(60, 10) == []
    news.mark_relayed([change])
    assert news.claim_news(0, 10) == []


def test_news_of_a_dead_relay_comes_back(news: IncidentStore) -> None:
    """What was taken but not relayed is news again once its time is over."""
    news.commit(opened(), [])
    news.claim_news(0.05, 10)
    time.sleep(0.1)
    assert news.claim_news(60, 10) == [opened()]


def test_news_of_an_incident_keeps_its_order(news: IncidentStore) -> None:
    """A change waits until the one before it is relayed, whatever their clocks said; other incidents do not."""
    first = opened()
    second = followed(first, -3600)
    other = opened(make_candidate(START + seconds(60)))
    for change in (first, second, other):
        news.commit(change, [])
    assert news.claim_news(60, 10) == [first, other]
    assert news.claim_news(60, 10) == []
    news.mark_relayed([first, other])
    assert news.claim_news(60, 10) == [second]


def test_many_relays_at_once_never_get_the_same(news: IncidentStore) -> None:
    """Four relays that take as fast as they can: everything is taken once."""
    for number in range(40):
        news.commit(opened(make_candidate(START + seconds(number))), [])
    with ThreadPoolExecutor(4) as threads:
        taken = [
            change.id for changes in threads.map(lambda _: news.claim_news(60, 10), range(4)) for change in changes
        ]
    taken += [change.id for change in news.claim_news(60, 40)]
    assert len(taken) == 40
    assert len(set(taken)) == 40


def test_without_a_bus_nothing_is_news(store: IncidentStore) -> None:
    """A run on one machine leaves nothing to be told when its database is used by a cluster later."""
    store.commit(opened(), [])
    assert store.claim_news(60, 10) == []


def test_open_incidents_are_listed_until_closed(store: IncidentStore) -> None:
    """After a restart the incidents nobody closed are found again."""
    first, second = opened(), opened(make_candidate(START + seconds(60)))
    store.commit(second, [])
    store.commit(first, [])
    assert store.still_open() == [first.incident, second.incident]
    ended = make_candidate(state=CandidateState.CLOSED, ended_at=START + seconds(9))
    closed = lifecycle.follow_candidate(first.incident, ended, START)
    assert closed is not None
    store.commit(closed, [])
    assert store.still_open() == [second.incident]


def test_the_last_alert_is_the_latest_told_incident_of_a_rule(store: IncidentStore) -> None:
    """Cooldowns resume from the last incident with a delivery, per camera and rule."""
    for at, camera in ((START, "gate"), (START + seconds(60), "gate"), (START + seconds(30), "yard")):
        change = opened(make_candidate(at, camera))
        store.commit(change, deliveries_of(change))
    assert store.last_alerts() == {("gate", "climb"): START + seconds(62), ("yard", "climb"): START + seconds(32)}


def test_an_incident_that_told_nobody_and_was_rejected_is_no_alert(store: IncidentStore) -> None:
    """A rule that tells only verified incidents is not silenced by one that was rejected."""
    change = opened()
    store.commit(change, [])
    assert store.last_alerts() == {}
    rejected = lifecycle.judge(change.incident, make_assessment(change.incident.id, Verdict.REJECTED), START)
    assert rejected is not None
    store.commit(rejected, [])
    assert store.last_alerts() == {}


@pytest.mark.parametrize("verdict", [Verdict.CONFIRMED, Verdict.UNVERIFIED])
def test_an_incident_that_stands_is_an_alert_even_without_channels(store: IncidentStore, verdict: Verdict) -> None:
    """A site without channels has cooldowns too."""
    change = opened()
    store.commit(change, [])
    judged = lifecycle.judge(change.incident, make_assessment(change.incident.id, verdict), START)
    assert judged is not None
    store.commit(judged, [])
    assert store.last_alerts() == {("gate", "climb"): START + seconds(2)}


def test_once_told_always_told(store: IncidentStore) -> None:
    """A later change without deliveries does not undo that the incident was told."""
    change = opened()
    store.commit(change, deliveries_of(change))
    store.commit(followed(change), [])
    assert ("gate", "climb") in store.last_alerts()


def test_a_store_keeps_its_incidents_when_it_is_opened_again(store: IncidentStore, database: Database) -> None:
    """Closing and opening the database changes nothing that was committed."""
    change = opened(make_candidate(datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)))
    store.commit(change, deliveries_of(change))
    database.close()
    assert store.get(change.incident.id) == change.incident


def test_reviewed_incidents_are_found_by_when_they_changed(store: IncidentStore) -> None:
    """Whoever learns from reviews asks for those since it last asked."""
    for minute in range(3):
        change = opened(make_candidate(START + timedelta(minutes=minute)))
        assert store.commit(change, [])
        if minute:
            word = Review(is_right=minute == 1, by="ann", at=START + timedelta(hours=minute))
            reviewed = lifecycle.review(change.incident, word)
            assert reviewed is not None
            assert store.commit(reviewed, [])
    found = store.find(IncidentFilter(is_reviewed=True))
    assert [one.review is not None and one.review.is_right for one in found] == [False, True]
    late = store.find(IncidentFilter(is_reviewed=True, changed_from=START + timedelta(minutes=90)))
    assert late == found[:1]
    assert len(store.find(IncidentFilter(is_reviewed=False))) == 1


def test_the_graver_and_the_more_unusual_is_judged_first(store: IncidentStore) -> None:
    """Where there is less model than there are candidates, it is spent on what matters."""
    kinds = [(Severity.LOW, 1.0), (Severity.HIGH, 0.2), (Severity.HIGH, 0.99), (Severity.HIGH, None)]
    for minute, (severity, novelty) in enumerate(kinds):
        candidate = make_candidate(START + timedelta(minutes=minute))
        change = opened(candidate.model_copy(update={"severity": severity, "novelty": novelty}), will_verify=True)
        assert store.commit(change, [])
    claimed = store.claim_verdicts("me", 60.0, 10)
    assert [(one.severity, one.candidate.novelty) for one in claimed] == [kinds[2], kinds[1], kinds[3], kinds[0]]


def test_the_queue_shows_every_camera_however_many_one_has(store: IncidentStore) -> None:
    """Of a storm the first by priority and the first by age, beside the one of a quiet camera; in hand is counted."""
    for number in range(20):
        candidate = make_candidate(START + seconds(number), "storm")
        store.commit(opened(candidate.model_copy(update={"novelty": number / 20})), [])
    quiet = opened(make_candidate(START + seconds(30), "quiet"))
    store.commit(quiet, [])
    queue = store.verdict_queue(1, 10)
    assert [(head.camera_id, head.since) for head in queue.heads if head.camera_id == "quiet"] == [("quiet", quiet.at)]
    assert sorted(head.camera_id for head in queue.heads) == ["quiet", "storm", "storm"]
    assert (queue.number, queue.in_hand) == (21, 0)
    taken = store.take_verdicts("judge", 60.0, [head.incident_id for head in queue.heads])
    assert [one.id for one in taken] == [head.incident_id for head in queue.heads]
    after = store.verdict_queue(1, 10)
    assert (after.number, after.in_hand) == (18, 3)
    assert store.take_verdicts("other", 60.0, [taken[0].id]) == []


def test_of_equals_the_one_nearer_its_threshold_is_first(store: IncidentStore) -> None:
    """A verdict is worth most where the score is least sure."""
    for number, peak in enumerate((0.95, 0.62, 0.8)):
        candidate = make_candidate(START + seconds(number), f"c{number}")
        store.commit(opened(candidate.model_copy(update={"peak_score": peak, "threshold": 0.6})), [])
    claimed = store.claim_verdicts("me", 60.0, 10)
    assert [one.candidate.peak_score for one in claimed] == [0.62, 0.8, 0.95]
