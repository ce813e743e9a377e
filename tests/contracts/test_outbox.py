"""What every `Outbox` promises."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline.contracts.alert import DeliveryState, DueDelivery, Outbox
from pipeline.contracts.incident import IncidentChange
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from pipeline.store.outbox import SqlOutbox
from tests.support.store import START, deliveries_of, followed, make_candidate, opened, seconds

LATER = START + seconds(3600)


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return SqlOutbox(database)


def commit(database: Database, change: IncidentChange, channels: Sequence[str] = ("guards",)) -> IncidentChange:
    assert SqlIncidentStore(database).commit(change, deliveries_of(change, channels))
    return change


def ids(found: list[DueDelivery]) -> list[str]:
    return [due.delivery.id for due in found]


def test_a_delivery_is_due_with_the_change_it_tells(database: Database, outbox: Outbox) -> None:
    """What comes out of the outbox is all a worker needs."""
    change = commit(database, opened())
    assert outbox.due(LATER, 10) == [DueDelivery(deliveries_of(change)[0], change)]


def test_a_delivery_is_due_from_its_moment_on(database: Database, outbox: Outbox) -> None:
    """Not before `next_attempt_at`, and exactly then."""
    change = commit(database, opened())
    assert outbox.due(change.at - seconds(0.000001), 10) == []
    assert len(outbox.due(change.at, 10)) == 1
    assert outbox.next_due_at() == change.at


def test_an_empty_outbox_has_nothing_due(outbox: Outbox) -> None:
    """No delivery, no time, all counts zero."""
    assert outbox.due(LATER, 10) == []
    assert outbox.next_due_at() is None
    assert outbox.counts() == {"pending": 0, "delivered": 0, "dead": 0}


def test_the_longest_due_come_first_up_to_the_limit(database: Database, outbox: Outbox) -> None:
    """A new alert does not overtake one that waits longer."""
    late = commit(database, opened(make_candidate(camera_id="yard")).model_copy(update={"at": START + seconds(99)}))
    early = commit(database, opened())
    assert ids(outbox.due(LATER, 10)) == [f"{early.id}.guards", f"{late.id}.guards"]
    assert ids(outbox.due(LATER, 1)) == [f"{early.id}.guards"]


def test_one_channel_hears_of_an_incident_in_order(database: Database, outbox: Outbox) -> None:
    """A later change waits until the earlier one is delivered."""
    first = commit(database, opened())
    second = commit(database, followed(first))
    assert ids(outbox.due(LATER, 10)) == [f"{first.id}.guards"]
    outbox.mark_delivered(f"{first.id}.guards", LATER)
    assert ids(outbox.due(LATER, 10)) == [f"{second.id}.guards"]


def test_a_dead_delivery_lets_the_next_one_through(database: Database, outbox: Outbox) -> None:
    """Giving up one change does not silence the rest of the incident."""
    first = commit(database, opened())
    second = commit(database, followed(first))
    outbox.mark_dead(f"{first.id}.guards", "404", LATER)
    assert ids(outbox.due(LATER, 10)) == [f"{second.id}.guards"]


def test_channels_and_incidents_do_not_wait_for_each_other(database: Database, outbox: Outbox) -> None:
    """A receiver that is down holds up its own line only."""
    first = commit(database, opened(), ["guards", "police"])
    other = commit(database, opened(make_candidate(camera_id="yard")))
    second = commit(database, followed(first), ["guards", "police"])
    outbox.mark_failed(f"{first.id}.guards", "timeout", LATER + seconds(1))
    outbox.mark_delivered(f"{first.id}.police", LATER)
    assert set(ids(outbox.due(LATER, 10))) == {f"{other.id}.guards", f"{second.id}.police"}


def test_a_waiting_line_is_next_due_when_its_first_is(database: Database, outbox: Outbox) -> None:
    """A worker that sleeps until `next_due_at` does not wake for a delivery it may not send yet."""
    first = commit(database, opened())
    commit(database, followed(first))
    outbox.mark_failed(f"{first.id}.guards", "timeout", LATER)
    assert outbox.next_due_at() == LATER


def test_a_failed_attempt_is_counted_and_tried_again(database: Database, outbox: Outbox) -> None:
    """After a failure: one attempt more, the reason, and due again only then."""
    change = commit(database, opened())
    outbox.mark_failed(f"{change.id}.guards", "status 500", LATER)
    assert outbox.due(LATER - seconds(1), 10) == []
    (due,) = outbox.due(LATER, 10)
    assert (due.delivery.attempts, due.delivery.last_error) == (1, "status 500")
    assert due.delivery.state is DeliveryState.PENDING


def test_what_is_delivered_is_done(database: Database, outbox: Outbox) -> None:
    """A delivered change never comes back, whatever a late worker says of it."""
    change = commit(database, opened())
    outbox.mark_delivered(f"{change.id}.guards", LATER)
    outbox.mark_failed(f"{change.id}.guards", "late", LATER)
    outbox.mark_dead(f"{change.id}.guards", "late", LATER)
    assert outbox.due(LATER, 10) == []
    assert outbox.next_due_at() is None
    assert outbox.counts() == {"pending": 0, "delivered": 1, "dead": 0}


def test_dead_deliveries_are_listed_newest_first(database: Database, outbox: Outbox) -> None:
    """A person sees the latest failure on top, with its reason."""
    change = commit(database, opened(), ["guards", "police"])
    outbox.mark_dead(f"{change.id}.police", "gone", START + seconds(10))
    outbox.mark_dead(f"{change.id}.guards", "refused", START + seconds(20))
    found = outbox.dead(10)
    assert ids(found) == [f"{change.id}.guards", f"{change.id}.police"]
    assert found[0].delivery.last_error == "refused"
    assert found[0].delivery.finished_at == START + seconds(20)
    assert len(outbox.dead(1)) == 1


def test_replay_gives_all_dead_deliveries_a_new_life(database: Database, outbox: Outbox) -> None:
    """Replayed: due at once, no attempts, and young again, so that it is not given up for its age."""
    change = commit(database, opened(), ["guards", "police"])
    outbox.mark_dead(f"{change.id}.guards", "gone", START + seconds(10))
    assert outbox.replay(None, LATER) == 1
    due = {found.delivery.channel: found.delivery for found in outbox.due(LATER, 10)}["guards"]
    assert (due.attempts, due.created_at, due.finished_at) == (0, LATER, None)
    assert outbox.counts()["dead"] == 0


def test_replay_of_some_leaves_the_others_dead(database: Database, outbox: Outbox) -> None:
    """Named deliveries are replayed if they are dead; unknown and living ones are not counted."""
    change = commit(database, opened(), ["guards", "police", "chat"])
    outbox.mark_dead(f"{change.id}.guards", "gone", LATER)
    outbox.mark_dead(f"{change.id}.police", "gone", LATER)
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
    outbox.mark_failed(f"{change.id}.guards", "bad \0 and \ud800 ünï", LATER)
    assert outbox.due(LATER, 1)[0].delivery.last_error == "bad ? and ? ünï"
