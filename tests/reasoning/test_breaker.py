"""The circuit breaker and the retries."""

from __future__ import annotations

import pytest

from pipeline.clock import ManualClock
from pipeline.errors import InvalidMessage, Overloaded, TransientError
from pipeline.reasoning.breaker import BreakerState, CircuitBreaker, CircuitOpen, RetryAfter
from pipeline.reasoning.retry import request_seconds, retry


class Script:
    """Raises its entries one after the other, then gives `ok`."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "ok"


def _open(clock: ManualClock) -> CircuitBreaker:
    breaker = CircuitBreaker(3, 20.0, clock)
    for _ in range(3):
        with pytest.raises(TransientError):
            breaker.call(Script(TransientError("down")))
    return breaker


def test_failures_in_a_row_open_it() -> None:
    """After that many failures the next call is refused without being made."""
    breaker, script = _open(ManualClock()), Script()
    with pytest.raises(CircuitOpen, match="circuit open"):
        breaker.call(script)
    assert script.calls == 0


def test_an_answer_between_failures_keeps_it_closed() -> None:
    """Only failures in a row count, and an unusable answer is an answer."""
    breaker = CircuitBreaker(2, 20.0, ManualClock())
    for error in (TransientError("x"), InvalidMessage("odd"), TransientError("x")):
        with pytest.raises(type(error)):
            breaker.call(Script(error))
    assert breaker.call(Script()) == "ok"


def test_a_probe_that_works_closes_it() -> None:
    """After its time one call passes, and if it works all do."""
    clock = ManualClock()
    breaker = _open(clock)
    clock.advance(20)
    assert [breaker.call(Script()), breaker.call(Script())] == ["ok", "ok"]


def test_a_probe_that_fails_opens_it_again() -> None:
    """One failed probe is enough for another spell."""
    clock = ManualClock()
    breaker = _open(clock)
    clock.advance(20)
    with pytest.raises(TransientError):
        breaker.call(Script(TransientError("still down")))
    clock.advance(19)
    with pytest.raises(CircuitOpen):
        breaker.call(Script())


def test_only_one_call_probes() -> None:
    """While the probe is under way every other call is refused."""
    clock = ManualClock()
    breaker = _open(clock)
    clock.advance(20)

    def probe() -> str:
        with pytest.raises(CircuitOpen):
            breaker.call(Script())
        return "probed"

    assert breaker.call(probe) == "probed"


def test_an_interrupted_probe_lets_the_next_one_try() -> None:
    """A caller that is stopped does not leave the breaker waiting for ever."""
    clock = ManualClock()
    breaker = _open(clock)
    clock.advance(20)
    with pytest.raises(KeyboardInterrupt):
        breaker.call(Script(KeyboardInterrupt()))
    assert breaker.call(Script()) == "ok"


def test_retries_wait_longer_each_time() -> None:
    """Two failures cost between half and all of 0.5 s and 1 s."""
    clock = ManualClock()
    script = Script(TransientError("a"), Overloaded("b"))
    assert retry(script, attempts=3, until=100, clock=clock) == "ok"
    assert 0.75 <= clock.monotonic() <= 1.5


def test_retries_end_with_the_last_error() -> None:
    """After the last attempt its own error is raised."""
    script = Script(*(TransientError(str(number)) for number in range(5)))
    with pytest.raises(TransientError, match="2"):
        retry(script, attempts=3, until=100, clock=ManualClock())
    assert script.calls == 3


def test_what_cannot_work_is_not_retried() -> None:
    """An invalid message is raised at once."""
    script = Script(InvalidMessage("no"))
    with pytest.raises(InvalidMessage):
        retry(script, attempts=3, until=100, clock=ManualClock())
    assert script.calls == 1


def test_the_servers_own_wait_is_heeded() -> None:
    """`Retry-After` replaces a shorter wait."""
    clock = ManualClock()
    assert retry(Script(RetryAfter("busy", 7)), attempts=2, until=100, clock=clock) == "ok"
    assert clock.monotonic() == 7


def test_a_wait_past_the_deadline_is_not_begun() -> None:
    """When the next try could only come too late the error comes now."""
    clock = ManualClock()
    with pytest.raises(Overloaded, match="busy"):
        retry(Script(RetryAfter("busy", 3600)), attempts=3, until=100, clock=clock)
    assert clock.monotonic() == 0


def test_its_changes_are_on_record() -> None:
    """Open, probed, closed again, each with its time."""
    clock = ManualClock()
    breaker = _open(clock)
    clock.advance(20)
    breaker.call(Script())
    states = [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]
    assert breaker.changes == list(zip((0.0, 20.0, 20.0), states, strict=True))
    assert breaker.state is BreakerState.CLOSED


def test_a_server_that_says_when_is_spared_so_long_within_reason() -> None:
    """`Retry-After` prolongs the pause, up to ten times the set one."""
    for asked, spared in ((60, 60.0), (3600, 200.0)):
        clock = ManualClock()
        breaker = CircuitBreaker(1, 20.0, clock)
        with pytest.raises(RetryAfter):
            breaker.call(Script(RetryAfter("busy", asked)))
        clock.advance(spared - 1)
        with pytest.raises(CircuitOpen):
            breaker.call(Script())
        clock.advance(1)
        assert breaker.call(Script()) == "ok"


def test_a_request_may_take_what_is_left_until_the_deadline() -> None:
    """A slow server does not make a verdict late: its timeout shrinks with the time that is left."""
    clock, seconds = ManualClock(), list[float]()

    def action() -> str:
        seconds.append(request_seconds(30.0))
        return "ok"

    retry(action, attempts=1, until=100.0, clock=clock)
    clock.advance(95)
    retry(action, attempts=1, until=100.0, clock=clock)
    assert [*seconds, request_seconds(30.0)] == [30.0, 5.0, 30.0]
