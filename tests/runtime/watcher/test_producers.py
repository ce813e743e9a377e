"""Two ingest processes for one camera: whose frames count."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from pipeline.contracts.bus import StreamEnd
from pipeline.runtime.watcher.intake import Assignment
from pipeline.runtime.watcher.producers import OVERTAKEN, Producers

EARLY, LATE = "1000-a", "2000-b"
ASSIGNMENT = Assignment(1)


def counts(producers: Producers, *names: str, camera: str = "yard", assignment: Assignment = ASSIGNMENT) -> list[bool]:
    """Whether what these processes say of a camera counts, in turn."""
    answers = [producers.why_not(StreamEnd(camera, name), assignment) for name in names]
    assert set(answers) <= {"", OVERTAKEN}
    return [not answer for answer in answers]


def test_the_later_start_wins_whoever_comes_first() -> None:
    """In either order, and for good."""
    assert counts(Producers(), EARLY, LATE, EARLY, LATE, EARLY) == [True, True, False, True, False]
    assert counts(Producers(), LATE, EARLY, LATE) == [True, False, True]


def test_starts_are_compared_as_numbers() -> None:
    """A longer number is a later time; of two starts in the same millisecond the name decides, always alike."""
    assert counts(Producers(), "999-z", "1000-a", "999-z") == [True, True, False]
    assert counts(Producers(), "1000-a", "1000-b", "1000-a") == [True, True, False]


def test_an_overtaken_process_is_told_of_once() -> None:
    """Not for every frame it goes on to publish."""
    with capture_logs() as logs:
        counts(Producers(), LATE, *[EARLY] * 100)
    (log,) = logs
    assert (log["camera"], log["dropped"], log["followed"]) == ("yard", EARLY, LATE)


@pytest.mark.parametrize(
    ("camera", "assignment"), [("attic", ASSIGNMENT), ("yard", Assignment(2))], ids=["camera", "assignment"]
)
def test_what_is_known_is_of_one_camera_while_it_is_ours(camera: str, assignment: Assignment) -> None:
    """Another camera may come from the earlier process, and so may this one once it was another watcher's."""
    producers = Producers()
    counts(producers, LATE)
    assert counts(producers, EARLY, camera=camera, assignment=assignment) == [True]
