"""Live changes: followed, resumed, caught up with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from pipeline.clock import ManualClock
from pipeline.console.events import ChangeFeed, Event
from pipeline.errors import TransientError
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from tests.support.store import START, make_candidate, seconds, sqlite_database  # noqa: F401

SOON = 20.0


class Book:
    """A store, what writes to it, and the feed of it."""

    def __init__(self, database: Database) -> None:
        self.clock = ManualClock(START)
        self.store = SqlIncidentStore(database)
        self.recorder = IncidentRecorder(self.store, lambda _change: (), self.clock)
        self.feed = ChangeFeed(self.store, self.clock, every_seconds=0.01)

    def happens(self, after_seconds: float) -> str:
        """An incident opens; its id."""
        self.clock.advance(after_seconds)
        change = self.recorder.candidate(make_candidate(START + seconds(after_seconds)), will_verify=False)
        assert change is not None
        return change.incident.id


@pytest.fixture
def book(sqlite_database: Database) -> Iterator[Book]:  # noqa: F811
    return Book(sqlite_database)


async def following(events: AsyncIterator[Event]) -> Event:
    return await asyncio.wait_for(anext(events), SOON)


def kinds(event: Event) -> tuple[str, str] | None:
    return (event.change.incident.id, event.change.kind.value) if event.change else None


def test_what_happens_is_told_to_every_follower_once(book: Book) -> None:
    """Each change of it, in order; what was there before is no news."""

    async def scenario() -> list[list[tuple[str, str] | None]]:
        book.happens(1.0)
        followers = [book.feed.follow(), book.feed.follow()]
        waiting = [asyncio.ensure_future(following(one)) for one in followers]
        await asyncio.sleep(0.1)
        name = await asyncio.to_thread(book.happens, 2.0)
        await asyncio.to_thread(book.recorder.acknowledge, name, "olu")
        told = [
            [kinds(await first), kinds(await following(one))] for first, one in zip(waiting, followers, strict=True)
        ]
        for one in followers:
            await one.aclose()
        return [[(name, "unverified"), (name, "acknowledged")], *told]

    expected, *told = asyncio.run(scenario())
    assert told == [expected, expected]


def test_following_again_begins_after_the_last_event(book: Book) -> None:
    """Nothing is left out in between, though another feed answers: a restart of the server."""

    async def scenario() -> tuple[str, list[tuple[str, str] | None]]:
        events = book.feed.follow()
        first = asyncio.ensure_future(following(events))
        await asyncio.sleep(0.1)
        book.happens(2.0)
        last = (await first).id
        await events.aclose()
        missed = book.happens(10.0)
        restarted = ChangeFeed(book.store, book.clock, every_seconds=0.01)
        again = restarted.follow(last)
        told = [kinds(await following(again))]
        await again.aclose()
        return missed, told

    missed, told = asyncio.run(scenario())
    assert told == [(missed, "unverified")]


@pytest.mark.parametrize("last_id", ["x", "12345-a.1", "99999999999999999999999-a.1"])
def test_an_id_from_long_ago_or_none_of_ours_says_to_load_everything(book: Book, last_id: str) -> None:
    """A reset, not silence."""

    async def scenario() -> Event:
        events = book.feed.follow(last_id)
        told = await following(events)
        await events.aclose()
        return told

    assert asyncio.run(scenario()).change is None


def test_followers_outlast_a_database_that_cannot_now(book: Book) -> None:
    """What happened meanwhile is told when it can again."""
    find, is_down = book.store.find, [False]

    def sometimes(wanted: object) -> object:
        if is_down[0]:
            raise TransientError("database cannot now")
        return find(wanted)  # type: ignore[arg-type]

    book.store.find = sometimes  # type: ignore[method-assign, assignment]

    async def scenario() -> tuple[str, tuple[str, str] | None]:
        events = book.feed.follow()
        waiting = asyncio.ensure_future(following(events))
        await asyncio.sleep(0.1)
        is_down[0] = True
        name = book.happens(2.0)
        await asyncio.sleep(0.1)
        is_down[0] = False
        told = kinds(await waiting)
        await events.aclose()
        return name, told

    name, told = asyncio.run(scenario())
    assert told == (name, "unverified")
