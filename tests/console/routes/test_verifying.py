"""`/search/verify`, and what it takes of models."""

from __future__ import annotations

import base64
import gc
import time
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.console.checking import MOST_AT_ONCE, MOST_WAITING, Checking, Result
from pipeline.console.routes.verifying import MOST_RESULTS
from pipeline.console.server import ConsoleServer
from pipeline.contracts.assessment import Verdict
from pipeline.contracts.incident import VerdictQueue, WaitingVerdict
from pipeline.contracts.picture_check import PictureCheck
from pipeline.errors import ConfigError, Overloaded
from tests.console.routes.test_searching import events
from tests.support.archive import BAG, ENTRY, seconds
from tests.support.console_api import GATE, Desk, desk
from tests.support.reasoning import jpeg
from tests.support.search_checks import ScriptedChecks

YES, NO = (Verdict.CONFIRMED, 0.9), (Verdict.REJECTED, 0.1)
KEY = BAG.candidate.key_frames[0].uri


def asked(*incident_ids: str, **given: Any) -> dict[str, Any]:
    """A search for a bag that has found the first picture of these."""
    return {"words": "a bag", "results": [{"incident": each, "picture": "picture-1"} for each in incident_ids]} | given


@pytest.fixture
def looked(tmp_path: Path) -> Iterator[tuple[Desk, ScriptedChecks]]:
    """A console whose model says yes, then no for ever."""
    checks = ScriptedChecks([YES, NO])
    with desk(tmp_path, checks=checks) as made:
        yield made, checks


def test_each_result_gets_its_verdict_and_then_what_it_took(looked: tuple[Desk, ScriptedChecks]) -> None:
    """In the order of the results; the budget has it beside the verdicts on incidents."""
    made, _ = looked
    told = events(made.client().post("/api/v1/search/verify", json=asked(BAG.id, ENTRY.id)).text)
    assert [name for name, _ in told] == ["checked", "checked", "done"]
    assert [(data["incident"], data["verdict"]) for _, data in told[:2]] == [
        (BAG.id, "confirmed"),
        (ENTRY.id, "rejected"),
    ]
    assert (told[2][1]["left"], told[2][1]["took"]["calls"]) == (0, 2)
    searches = made.client().get("/api/v1/budgets").json()["searches"]
    assert (searches["calls"], searches["input_tokens"]) == (2, 810)


def test_an_example_goes_to_the_model_with_each_picture(looked: tuple[Desk, ScriptedChecks]) -> None:
    """Read and written anew by the console first."""
    made, checks = looked
    sent = base64.b64encode(jpeg(64, 36)).decode()
    made.client().post("/api/v1/search/verify", json=asked(BAG.id, words="", example=sent))
    ((words, example),) = checks.asked
    assert (words, example is not None and example.startswith(b"\xff\xd8")) == ("", True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"words": "x" * 10_000},
        {"words": " "},
        {"example": "no base64"},
        {"example": base64.b64encode(b"\0\0\0\x18ftypmp42").decode()},
        {"results": []},
        {"results": asked(*[BAG.id] * 25)["results"]},
    ],
    ids=["10,000 characters", "nothing", "no base64", "a video", "no results", "too many"],
)
def test_nonsense_is_refused_in_words(looked: tuple[Desk, ScriptedChecks], wrong: dict[str, Any]) -> None:
    """No model is asked."""
    made, checks = looked
    answer = made.client().post("/api/v1/search/verify", json=asked(BAG.id) | wrong)
    assert (answer.status_code, len(answer.text) < 1_000, checks.asked) == (422, True, [])


def test_pictures_of_other_groups_are_not_looked_at(looked: tuple[Desk, ScriptedChecks]) -> None:
    """Nor one that is not there."""
    made, checks = looked
    assert made.client("gus").post("/api/v1/search/verify", json=asked(GATE.id, BAG.id)).status_code == 404
    wrong = asked() | {"results": [{"incident": BAG.id, "picture": "clip"}]}
    assert made.client().post("/api/v1/search/verify", json=wrong).status_code == 404
    assert checks.asked == []


def test_without_a_model_it_says_what_to_set(tmp_path: Path) -> None:
    """501."""
    with desk(tmp_path) as made:
        answer = made.client().post("/api/v1/search/verify", json=asked(BAG.id))
    assert (answer.status_code, "models.vlm" in answer.json()["detail"]) == (501, True)


def test_a_model_that_cannot_be_had_ends_the_stream_with_a_problem(tmp_path: Path) -> None:
    """In its words."""
    with desk(tmp_path, checks=ScriptedChecks([ConfigError("models.vlm: no such model")])) as made:
        ((name, problem),) = events(made.client().post("/api/v1/search/verify", json=asked(BAG.id)).text)
    assert (name, problem["detail"]) == ("problem", "models.vlm: no such model")


def test_a_picture_that_is_no_longer_kept_is_left_open(looked: tuple[Desk, ScriptedChecks]) -> None:
    """It costs no call."""
    made, checks = looked
    made.stores.evidence.delete(KEY)
    told = events(made.client().post("/api/v1/search/verify", json=asked(BAG.id)).text)
    assert (told[0][1]["verdict"], told[0][1]["reason"]) == ("unverified", "its picture is no longer kept")
    assert checks.asked == []


class Slow(ScriptedChecks):
    """As a model is."""

    def check(self, picture: bytes, words: str, example: bytes | None = None) -> PictureCheck:
        time.sleep(0.05)
        return super().check(picture, words, example)


class Queue:
    """Incidents of which some await a verdict, for a while."""

    def __init__(self, num_looks: int, since_seconds: float) -> None:
        self._num_looks = num_looks
        self._waiting = WaitingVerdict("x", "yard", 2.0, seconds(since_seconds))

    def verdict_queue(self, per_camera: int, limit: int) -> VerdictQueue:
        assert (per_camera, limit) == (1, 64)
        self._num_looks -= 1
        heads = (self._waiting,) if self._num_looks >= 0 else ()
        return VerdictQueue(heads, len(heads), 0)


def names(made: Desk, checks: ScriptedChecks, queue: Queue) -> list[str]:
    archive: Any = replace(made.host.archive(), incidents=queue)  # type: ignore[arg-type]  # all that is asked of it
    return [name for name, _ in Checking().looks(checks, archive, [Result(BAG.id, "picture-1", KEY)], "a bag", None)]


def test_alerts_that_wait_for_their_verdicts_come_first(looked: tuple[Desk, ScriptedChecks]) -> None:
    """The search waits, and says so; if they wait for long, it gives up."""
    made, checks = looked
    assert names(made, checks, Queue(2, 1790)) == ["waiting", "waiting", "checked", "done"]
    with pytest.raises(Overloaded, match="come first"):
        names(made, checks, Queue(1_000, 1790))


def test_verdicts_that_nobody_works_on_keep_no_search_waiting(looked: tuple[Desk, ScriptedChecks]) -> None:
    """They have been owed for longer than any deadline."""
    made, checks = looked
    assert names(made, checks, Queue(1_000, 1790 - timedelta(minutes=10).total_seconds())) == ["checked", "done"]


def test_only_some_searches_are_looked_at_at_once(looked: tuple[Desk, ScriptedChecks]) -> None:
    """Whoever goes away makes room."""
    made, checks = looked
    checking, results = Checking(room_after_seconds=0.01), [Result(BAG.id, "picture-1", KEY)]

    def begun() -> Generator[Any, None, None]:
        looks = checking.looks(checks, made.host.archive(), results, "a bag", None)
        next(looks)
        return looks

    open_ones = [begun() for _ in range(MOST_AT_ONCE)]
    with pytest.raises(Overloaded, match="other searches"):
        begun()
    open_ones.pop().close()
    assert begun() is not None


def test_only_some_searches_wait(looked: tuple[Desk, ScriptedChecks]) -> None:
    """Those beyond are refused at once: whoever asks for many keeps nobody else's requests waiting."""
    made, checks = looked
    checking, results = Checking(room_after_seconds=60.0), [Result(BAG.id, "picture-1", KEY)]

    def looks() -> Generator[Any, None, None]:
        return checking.looks(checks, made.host.archive(), results, "a bag", None)

    open_ones = [looks() for _ in range(MOST_AT_ONCE)]
    with ThreadPoolExecutor(MOST_WAITING + 1) as pool:
        for each in open_ones:
            next(each)
        waiting = [pool.submit(list, looks()) for _ in range(MOST_WAITING + 1)]
        first, _ = wait(waiting, return_when=FIRST_COMPLETED)
        assert isinstance(next(iter(first)).exception(), Overloaded)
        for each in open_ones:
            each.close()
        assert sum(each.exception() is None for each in waiting) == MOST_WAITING


def test_a_search_is_looked_at_for_a_while_only(looked: tuple[Desk, ScriptedChecks]) -> None:
    """What is left stays as it is, and is counted."""
    made, _ = looked

    class Minutes(ScriptedChecks):
        def check(self, picture: bytes, words: str, example: bytes | None = None) -> PictureCheck:
            made.clock.advance(100.0)
            return super().check(picture, words, example)

    results = [Result(BAG.id, "picture-1", KEY)] * 4
    told = list(Checking().looks(Minutes([YES]), made.host.archive(), results, "a bag", None))
    assert [name for name, _ in told] == ["checked", "checked", "done"]
    assert told[-1][1]["left"] == 2


def test_whoever_goes_away_ends_the_looks(looked: tuple[Desk, ScriptedChecks]) -> None:
    """At once, and not when memory is cleared up next: others wait for the room."""
    made, checks = looked
    made.app.state.host = replace(made.host, checks=Slow([YES]))
    made.app.state.checking = checking = Checking(room_after_seconds=20.0)
    server = ConsoleServer(made.app, "127.0.0.1", 0)
    server.start()
    gc.disable()
    try:
        many = asked(*[BAG.id] * MOST_RESULTS)
        headers = {"Authorization": f"Bearer {made.tokens['ada']}"}
        for _ in range(MOST_AT_ONCE):
            with httpx.stream("POST", f"{server.url}/api/v1/search/verify", json=many, headers=headers) as answer:
                next(answer.iter_lines())
        results = [Result(BAG.id, "picture-1", KEY)]
        begun = [checking.looks(checks, made.host.archive(), results, "a", None) for _ in range(MOST_AT_ONCE)]
        assert [next(looks)[0] for looks in begun] == ["checked"] * MOST_AT_ONCE
    finally:
        gc.enable()
        server.stop()
