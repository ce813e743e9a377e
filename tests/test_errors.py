from __future__ import annotations

import pickle

import pytest

from pipeline.errors import (
    ConfigError,
    Conflict,
    InvalidMessage,
    Overloaded,
    SightlineError,
    SiteFileError,
    SiteProblem,
    StageFailed,
    TransientError,
)

EXAMPLES: list[SightlineError] = [
    ConfigError("no such model"),
    SiteFileError("site.yaml", (SiteProblem(3, "rules[0].zone", "no zone is called 'dor'", "did you mean door?"),)),
    TransientError("database is locked"),
    Overloaded("queue is full"),
    InvalidMessage("not a JPEG"),
    Conflict("somebody else has decided since"),
    StageFailed("the watch worker failed"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_every_error_survives_pickling(error: SightlineError) -> None:
    """Errors cross processes with their type, message and details."""
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), copy.args) == (str(error), error.args)


def test_there_is_an_example_of_every_error() -> None:
    """A class added to the tree is added to the test of pickling."""
    known = {type(error) for error in EXAMPLES}
    in_module = {c for c in _descendants(SightlineError) if c.__module__ == "pipeline.errors"}
    assert in_module == known


def test_errors_are_told_apart_by_what_the_receiver_does() -> None:
    """Apart from the site file's error, which is a configuration error, none is a kind of another."""
    assert SiteFileError.__mro__[1] is ConfigError
    for error in (ConfigError, TransientError, Overloaded, InvalidMessage, StageFailed):
        assert error.__mro__[1] is SightlineError


def test_a_site_problem_reads_like_a_sentence() -> None:
    """Line, place, message and hint, without a line where there is none."""
    assert str(SiteProblem(3, "rules[0].zone", "no zone", "did you mean door?")) == (
        "line 3: rules[0].zone: no zone (did you mean door?)"
    )
    assert str(SiteProblem(0, "file", "is empty")) == "file: is empty"


def test_a_site_file_error_lists_every_problem() -> None:
    """One line a problem, each with the file's name."""
    error = SiteFileError("site.yaml", (SiteProblem(1, "a", "first"), SiteProblem(2, "b", "second")))
    assert str(error) == "site.yaml: line 1: a: first\nsite.yaml: line 2: b: second"


def _descendants(parent: type) -> set[type]:
    return {d for child in parent.__subclasses__() for d in {child} | _descendants(child)}
