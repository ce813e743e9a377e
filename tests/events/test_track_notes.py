"""What the tracks did, in words."""

from __future__ import annotations

from tests.support.events import Actor, film, opened, play, rule, stage


def _notes(*actors: Actor, track: dict[str, object], seconds: float = 10) -> list[str]:
    (opening,) = opened(play(stage(rule(track=track)), film(seconds, 10, *actors)))
    assert list(opening.track_notes) == sorted(opening.track_notes, key=lambda note: note.at)
    return [note.text for note in opening.track_notes]


def test_an_approach() -> None:
    """Appearing and moving are told with places; zones by name."""
    notes = _notes(Actor([(1, 100, 300), (8, 700, 300)]), track={"enters": "square"})
    assert "person 7 appeared at the left" in notes


def test_standing() -> None:
    """Standing still is told with its time."""
    notes = _notes(Actor([(0, 300, 300), (20, 300, 300)]), track={"inside": "square", "longer_than": "8s"})
    assert any(note.startswith("person 7 stood at the centre for") for note in notes)


def test_moving_through() -> None:
    """Movement is told from where to where and in what time."""
    notes = _notes(Actor([(0, 20, 300), (4, 400, 300), (9, 400, 300)]), track={"inside": "square", "longer_than": "1s"})
    assert any("moved from the left to the centre in" in note for note in notes)
    assert "person 7 entered square" in notes


def test_never_more_than_twenty() -> None:
    """A crowd is told in twenty notes."""
    crowd = [Actor([(n / 10, 200 + 20 * n, 300), (20, 200 + 20 * n, 300)], track_id=n) for n in range(15)]
    assert len(_notes(*crowd, track={"count_above": 12}, seconds=15)) <= 20
