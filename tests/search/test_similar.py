"""A few different moments out of many that look alike."""

from __future__ import annotations

from pipeline.contracts.vectors import Among, Neighbour
from pipeline.search.similar import similar_moments
from tests.support.vectors import SPACE, MemoryVectors, kept, seconds, unit

RED = unit(1, 0)


def found(store: MemoryVectors, limit: int = 5) -> list[Neighbour]:
    return similar_moments(store, SPACE, RED, Among(), limit)


def test_what_stands_still_is_one_moment_however_long() -> None:
    """An hour of the same picture does not hide another camera, nor the same thing two minutes later."""
    store = MemoryVectors()
    store.add([kept(n / 10, 1, 0) for n in range(500)])
    store.add([kept(180, 1, 0.2), kept(3, 1, 0.3, camera="yard")])
    assert [(one.camera_id, one.captured_at) for one in found(store)] == [
        ("gate", seconds(0)),
        ("gate", seconds(180)),
        ("yard", seconds(3)),
    ]


def test_the_two_moments_of_an_incident_are_one() -> None:
    """Its peak as it opened and as it closed, however far apart; another incident of that minute is another."""
    store = MemoryVectors()
    store.add([kept(0, 1, 0, incident_id="a"), kept(600, 1, 0.1, incident_id="a"), kept(601, 1, 0.2, incident_id="b")])
    assert [one.incident_id for one in found(store)] == ["a", "b"]


def test_a_moment_takes_over_the_incident_of_its_minute() -> None:
    """So that there is a picture of it; time and likeness stay its own."""
    store = MemoryVectors()
    store.add([kept(0, 1, 0), kept(30, 1, 0.5, incident_id="a")])
    (moment,) = found(store)
    assert (moment.captured_at, moment.incident_id) == (seconds(0), "a")
    assert moment.similarity > 0.99


def test_no_more_are_told_than_are_wanted() -> None:
    """The best of them."""
    store = MemoryVectors()
    store.add([kept(n * 100, 1, n) for n in range(9)])
    assert [one.captured_at for one in found(store, 2)] == [seconds(0), seconds(100)]
