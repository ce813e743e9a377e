"""Every error as a problem, in the commands' words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.console.access import Refused
from pipeline.console.problems import MEDIA_TYPE, answer, of_error
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


def told(error: SightlineError) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(bytes(of_error(error).body))
    return body


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("x"), 422),
        (InvalidMessage("x"), 404),
        (Conflict("x"), 409),
        (TransientError("x"), 503),
        (Overloaded("x"), 503),
        (StageFailed("x"), 500),
        (Refused(403, "x"), 403),
    ],
)
def test_each_error_of_the_program_has_its_status(error: SightlineError, status: int) -> None:
    """What the receiver does about an error is what its status tells a client to do."""
    response = of_error(error)
    assert response.status_code == status
    assert response.media_type == MEDIA_TYPE
    assert told(error)["detail"] == "x"


def test_what_may_work_later_says_when_to_try_again() -> None:
    """A dead database is 503 with its words and `Retry-After`."""
    response = of_error(TransientError("database sightline.db cannot now: disk I/O error"))
    assert int(response.headers["Retry-After"]) > 0
    assert "disk I/O error" in told(TransientError("disk I/O error"))["detail"]


def test_a_refused_sign_in_says_how_long_to_wait() -> None:
    """429 bears the seconds, rounded up."""
    assert of_error(Refused(429, "too many", 12.2)).headers["Retry-After"] == "13"


def test_a_site_file_is_refused_with_every_problem_by_line() -> None:
    """The page marks them where they are."""
    wrong = SiteFileError("site.yaml", (SiteProblem(3, "rules[0].zone", "no zone is called x", "did you mean y?"),))
    assert told(wrong)["errors"] == [
        {"where": "rules[0].zone", "message": "no zone is called x", "line": 3, "hint": "did you mean y?"}
    ]


def test_no_answer_repeats_endless_words() -> None:
    """10,000 characters come back as 1,000 at most."""
    assert len(json.loads(bytes(answer(422, "x" * 10_000).body))["detail"]) == 1_000
