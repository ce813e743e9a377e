"""What every `Outbox` promises."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from pipeline.contracts.alert import DeliveryState, DueDelivery, Outbox, Owed
from pipeline.contracts.incident import IncidentChange
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.outbox import SqlOutbox
from tests.support.store import START, all_due, deliveries_of, followed, make_candidate, opened, seconds

LATER = START + seconds(3600)
OWNER = "worker"


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return SqlOutbox(database)


def commit(database: Database, change: IncidentChange, channels: Sequence[str] = ("guards",)) -> IncidentChange:
    assert SqlIncidentStore(database).commit(change, deliveries_of(change, channels))
    return change


def ids(found: list[DueDelivery]) -> list[str]:
    return [due.delivery.id for due in found]


def claim(outbox: Outbox, owner: str = OWNER, lease_seconds: float = 60.0, **options: Any) -> str | None:
    due = outbox.claim_due(owner, LATER, lease_seconds, **options)
    return due.delivery.id if due else None


def fail(outbox: Outbox, delivery_id: str, error: str, next_attempt_at: datetime) -> None:
    """As a worker would that has all in hand."""
    while claim(outbox):
        pass
    outbox.mark_failed(delivery_id, OWNER, error, next_attempt_at)
    outbox.release(OWNER)


def give_up(outbox: Outbox, delivery_id: str, error: str, at: datetime) -> None:
    """As a worker would that has all in hand."""
    while claim(outbox):
        pass
    outbox.mark_dead(delivery_id, OWNER, error, at)
    outbox.release(OWNER)


def test_a_delivery_is_due_with_the_change_it_tells(database: Database, outbox: Outbox) -> None:
    """What comes out of the outbox is all a worker needs."""
    change = commit(database, opened())
    assert all_due(outbox, LATER) == [DueDelivery(deliveries_of(change)[0], change)]


def test_a_delivery_is_due_from_its_moment_on(database: Database, outbox: Outbox) -> None:
    """Not before `next_attempt_at`, and exactly then."""
    change = commit(database, opened())
    assert all_due(outbox, change.at - seconds(0.000001)) == []
    assert len(all_due(outbox, change.at)) == 1
    assert outbox.next_due_at() == change.at


def test_an_empty_outbox_has_nothing_due(outbox: Outbox) -> None:
    """No delivery, no time, all counts zero."""
    assert all_due(outbox, LATER) == []
    assert outbox.next_due_at() is None
    assert outbox.counts() == {"pending": 0, "delivered": 0, "dead": 0}


def test_the_longest_due_come_first(database: Database, outbox: Outbox) -> None:
    """A new alert does not overtake one that waits longer."""
    late = commit(database, opened(make_candidate(camera_id="yard")).model_copy(update={"at": START + seconds(99)}))
    early = commit(database, opened())
    assert ids(all_due(outbox, LATER)) == [f"{early.id}.guards", f"{late.id}.guards"]


def test_one_channel_hears_of_an_incident_in_order(database: Database, outbox: Outbox) -> None:
    """A later change waits until the earlier one is delivered."""
    first = commit(database, opened())
    second = commit(database, followed(first))
    assert ids(all_due(outbox, LATER)) == [f"{first.id}.guards"]
    outbox.mark_delivered(f"{first.id}.guards", LATER)
    assert ids(all_due(outbox, LATER)) == [f"{second.id}.guards"]


def test_a_dead_delivery_lets_the_next_one_through(database: Database, outbox: Outbox) -> None:
    """Giving up one change does not silence the rest of the incident."""
    first = commit(database, opened())
    second = commit(database, followed(first))
    give_up(outbox, f"{first.id}.guards", "404", LATER)
    assert ids(all_due(outbox, LATER)) == [f"{second.id}.guards"]


def test_channels_and_incidents_do_not_wait_for_each_other(database: Database, outbox: Outbox) -> None:
    """A receiver that is down holds up its own line only."""
    first = commit(database, opened(), ["guards", "police"])
    other = commit(database, opened(make_candidate(camera_id="yard")))
    second = commit(database, followed(first), ["guards", "police"])
    fail(outbox, f"{first.id}.guards", "timeout", LATER + seconds(1))
    outbox.mark_delivered(f"{first.id}.police", LATER)
    assert set(ids(all_due(outbox, LATER))) == {f"{other.id}.guards", f"{second.id}.police"}


def test_a_waiting_line_is_next_due_when_its_first_is(database: Database, outbox: Outbox) -> None:
    """A worker that sleeps until `next_due_at` does not wake for a delivery it may not send yet."""
    first = commit(database, opened())
    commit(database, followed(first))
    fail(outbox, f"{first.id}.guards", "timeout", LATER)
    assert outbox.next_due_at() == LATER


def test_a_failed_attempt_is_counted_and_tried_again(database: Database, outbox: Outbox) -> None:
    """After a failure: one attempt more, the reason, and due again only then."""
    change = commit(database, opened())
    fail(outbox, f"{change.id}.guards", "status 500", LATER)
    assert all_due(outbox, LATER - seconds(1)) == []
    (due,) = all_due(outbox, LATER)
    assert (due.delivery.attempts, due.delivery.last_error) == (1, "status 500")
    assert due.delivery.state is DeliveryState.PENDING


def test_what_is_delivered_is_done(database: Database, outbox: Outbox) -> None:
    """A delivered change never comes back, whatever a late worker says of it."""
    change = commit(database, opened())
    outbox.mark_delivered(f"{change.id}.guards", LATER)
    fail(outbox, f"{change.id}.guards", "late", LATER)
    give_up(outbox, f"{change.id}.guards", "late", LATER)
    assert all_due(outbox, LATER) == []
    assert outbox.next_due_at() is None
    assert outbox.counts() == {"pending": 0, "delivered": 1, "dead": 0}


def test_dead_deliveries_are_listed_newest_first(database: Database, outbox: Outbox) -> None:
    """A person sees the latest failure on top, with its reason."""
    change = commit(database, opened(), ["guards", "police"])
    give_up(outbox, f"{change.id}.police", "gone", START + seconds(10))
    give_up(outbox, f"{change.id}.guards", "refused", START + seconds(20))
    found = outbox.dead(10)
    assert ids(found) == [f"{change.id}.guards", f"{change.id}.police"]
    assert found[0].delivery.last_error == "refused"
    assert found[0].delivery.finished_at == START + seconds(20)
    assert len(outbox.dead(1)) == 1


def test_replay_gives_all_dead_deliveries_a_new_life(database: Database, outbox: Outbox) -> None:
    """Replayed: due at once, no attempts, and young again, so that it is not given up for its age."""
    change = commit(database, opened(), ["guards", "police"])
    give_up(outbox, f"{change.id}.guards", "gone", START + seconds(10))
    assert outbox.replay(None, LATER) == 1
    due = {found.delivery.channel: found.delivery for found in all_due(outbox, LATER)}["guards"]
    assert (due.attempts, due.created_at, due.finished_at) == (0, LATER, None)
    assert outbox.counts()["dead"] == 0


def test_replay_of_some_leaves_the_others_dead(database: Database, outbox: Outbox) -> None:
    """Named deliveries are replayed if they are dead; unknown and living ones are not counted."""
    change = commit(database, opened(), ["guards", "police", "chat"])
    give_up(outbox, f"{change.id}.guards", "gone", LATER)
    give_up(outbox, f"{change.id}.police", "gone", LATER)
    assert outbox.replay([f"{change.id}.guards", f"{change.id}.chat", "unknown"], LATER) == 1
    assert ids(outbox.dead(10)) == [f"{change.id}.police"]
    assert outbox.replay([], LATER) == 0


def test_the_deliveries_of_one_incident_are_listed_in_order(database: Database, outbox: Outbox) -> None:
    """Whatever their state, by change and then by channel; those of other incidents are left out."""
    first = commit(database, opened(), ["police", "guards"])
    second = commit(database, followed(first))
    commit(database, opened(make_candidate(camera_id="yard")))
    outbox.mark_delivered(f"{first.id}.guards", LATER)
    found = outbox.of_incident(first.incident.id)
    assert [delivery.id for delivery in found] == [f"{first.id}.guards", f"{first.id}.police", f"{second.id}.guards"]
    assert found[0].state is DeliveryState.DELIVERED


def test_any_error_text_can_be_kept(database: Database, outbox: Outbox) -> None:
    """A receiver's answer may hold bytes that no database takes; the delivery goes on all the same."""
    change = commit(database, opened())
    fail(outbox, f"{change.id}.guards", "bad \0 and \ud800 ünï", LATER)
    assert all_due(outbox, LATER)[0].delivery.last_error == "bad ? and ? ünï"


def test_what_one_has_in_hand_another_does_not_get(database: Database, outbox: Outbox) -> None:
    """Two workers share an outbox: each delivery is given to one of them."""
    first, second = commit(database, opened()), commit(database, opened(make_candidate(camera_id="yard")))
    assert {claim(outbox, "one"), claim(outbox, "two")} == {f"{first.id}.guards", f"{second.id}.guards"}
    assert claim(outbox, "one") is None


def test_many_workers_at_once_never_get_the_same(database: Database, outbox: Outbox) -> None:
    """Eight workers that take as fast as they can: every delivery is taken, none twice."""
    for number in range(20):
        first = commit(database, opened(make_candidate(START + seconds(number))))
        commit(database, followed(first))

    def work(worker: int) -> list[str]:
        taken = []
        while (name := claim(outbox, f"worker {worker}")) is not None:
            taken.append(name)
            outbox.mark_delivered(name, LATER)
        return taken

    with ThreadPoolExecutor(8) as threads:
        taken = [name for names in threads.map(work, range(8)) for name in names]
    taken += work(9)  # Who finds the second change of a line blocked, as all may at the end, goes home.
    assert len(taken) == 40
    assert len(set(taken)) == 40


def test_the_line_waits_while_its_first_is_in_hand(database: Database, outbox: Outbox) -> None:
    """A second worker does not overtake the one that tells the change before."""
    first = commit(database, opened())
    second = commit(database, followed(first))
    assert claim(outbox, "one") == f"{first.id}.guards"
    assert claim(outbox, "two") is None
    outbox.mark_delivered(f"{first.id}.guards", LATER)
    assert claim(outbox, "two") == f"{second.id}.guards"


def test_a_dead_workers_delivery_comes_back(database: Database, outbox: Outbox) -> None:
    """Once its lease is over, a delivery is anybody's."""
    commit(database, opened())
    name = claim(outbox, "dead", lease_seconds=0.05)
    time.sleep(0.1)
    assert claim(outbox, "heir") == name


def test_a_renewed_lease_holds(database: Database, outbox: Outbox) -> None:
    """What is renewed is not given to others; what is not, is."""
    first, other = commit(database, opened()), commit(database, opened(make_candidate(camera_id="yard")))
    claim(outbox, "one", lease_seconds=0.05)
    claim(outbox, "one", lease_seconds=0.05)
    outbox.renew("one", [f"{first.id}.guards"], 60)
    time.sleep(0.1)
    assert claim(outbox, "two") == f"{other.id}.guards"
    assert claim(outbox, "two") is None


def test_who_lost_a_delivery_cannot_renew_it_or_say_that_it_failed(database: Database, outbox: Outbox) -> None:
    """An attempt that outlives its lease leaves the delivery to its new owner, but a receiver's yes counts."""
    name = f"{commit(database, opened()).id}.guards"
    claim(outbox, "slow", lease_seconds=0.0)
    assert claim(outbox, "heir", lease_seconds=0.05) == name
    outbox.renew("slow", [name], 600)
    outbox.mark_failed(name, "slow", "timeout", LATER + seconds(600))
    outbox.mark_dead(name, "slow", "timeout", LATER)
    time.sleep(0.1)
    assert claim(outbox, "third") == name
    outbox.mark_delivered(name, LATER)
    assert outbox.counts()["delivered"] == 1


def test_a_release_frees_all_that_one_holds(database: Database, outbox: Outbox) -> None:
    """At a clean stop nobody waits for a lease to end, and what others hold stays theirs."""
    commit(database, opened())
    commit(database, opened(make_candidate(camera_id="yard")))
    mine, theirs = claim(outbox, "one"), claim(outbox, "two")
    outbox.release("one")
    assert claim(outbox, "three") == mine != theirs
    assert claim(outbox, "three") is None


def test_a_failed_delivery_is_anybodys(database: Database, outbox: Outbox) -> None:
    """The next attempt may be made by another worker than the first, without waiting for the lease."""
    name = f"{commit(database, opened()).id}.guards"
    claim(outbox, "one")
    outbox.mark_failed(name, "one", "status 500", LATER)
    assert claim(outbox, "two") == name


def test_a_full_channel_does_not_hide_the_others(database: Database, outbox: Outbox) -> None:
    """However many deliveries of a channel without room are due before, the next channel's is found."""
    for number in range(30):
        commit(database, opened(make_candidate(START + seconds(number))), ["stuck"])
    change = commit(database, opened(make_candidate(camera_id="yard")).model_copy(update={"at": LATER}), ["healthy"])
    assert claim(outbox, full_channels=["stuck"]) == f"{change.id}.healthy"
    assert claim(outbox, full_channels=["stuck", "healthy"]) is None


def test_what_is_owed_is_counted_in_hand_or_not(database: Database, outbox: Outbox) -> None:
    """The number of deliveries due, and since when the oldest is; nothing owed has no age."""
    assert outbox.owed(LATER) == Owed(0, None)
    first = commit(database, opened(), ["guards", "police"])
    commit(database, followed(first), ["guards"])
    claim(outbox)
    assert outbox.owed(LATER) == Owed(2, first.at)
    assert outbox.owed(LATER).oldest_age_seconds(LATER) == (LATER - first.at).total_seconds()
    assert Owed(0, None).oldest_age_seconds(LATER) == 0.0
