"""Reconnecting: for ever, with growing waits, told once, stopped at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from pipeline.clock import ManualClock, SystemClock
from pipeline.contracts.decision import Gate
from pipeline.contracts.frame import VideoSource
from pipeline.errors import ConfigError, TransientError
from pipeline.ingest import SupervisedSource, open_source, open_supervised
from pipeline.settings import IngestSettings
from tests.support.ingest import KeptDecisions, KeptStream, ScriptedCamera, camera, mjpeg_camera, wait_for

SETTINGS = IngestSettings(retry_from=1, retry_to=8)
STALL = TransientError("no new frame for 10 s: the stream has stalled")
REFUSED = TransientError("rtsp://guard:hunter2@10.0.0.9/stream: refused")


def opener(*attempts: Exception | ScriptedCamera) -> Callable[[], VideoSource]:
    """Each call is the next attempt: it fails, or gives a camera."""
    waiting = iter(attempts)

    def open_next() -> VideoSource:
        attempt = next(waiting)
        if isinstance(attempt, Exception):
            raise attempt
        return attempt

    return open_next


def supervised(
    open_inner: Callable[[], VideoSource], clock: ManualClock, decisions: KeptDecisions | None = None
) -> SupervisedSource:
    return SupervisedSource("cam", open_inner, SETTINGS, clock, decisions or KeptDecisions(), jitter=random.Random(1))


def with_fallback(
    open_url: Callable[[], VideoSource],
    open_fallback: Callable[[], VideoSource],
    decisions: KeptDecisions,
    clock: ManualClock | None = None,
) -> SupervisedSource:
    return SupervisedSource("cam", open_url, SETTINGS, clock or ManualClock(), decisions, open_fallback=open_fallback)


def told(logs: Sequence[dict[str, object]]) -> list[object]:
    return [entry["event"] for entry in logs]


def test_a_stalled_camera_is_reopened_and_its_frames_go_on() -> None:
    """After a stall the old connection is closed, a new one opened, and the sequence continues."""
    old, new = ScriptedCamera([None, None, STALL]), ScriptedCamera([None, None])
    source = supervised(opener(old, new), ManualClock())
    numbers = [frame.sequence for _ in range(4) if (frame := source.read()) is not None]
    source.close()

    assert numbers == [0, 1, 2, 3]
    assert old.is_closed
    assert new.is_closed


def test_waits_double_up_to_the_longest_and_are_jittered() -> None:
    """Between half and all of 1, 2, 4, 8, 8 … seconds."""
    clock, moments = ManualClock(), []
    attempts = iter([REFUSED] * 7)

    def open_next() -> VideoSource:
        moments.append(clock.monotonic())
        error = next(attempts, None)
        if error is not None:
            raise error
        return ScriptedCamera([None])

    supervised(open_next, clock).read()
    waits = [after - before for before, after in pairwise(moments)]

    for wait, longest in zip(waits, [1, 2, 4, 8, 8, 8, 8], strict=True):
        assert longest / 2 <= wait <= longest + 1e-6
    assert len(set(waits)) == len(waits)


def test_a_connection_that_gives_frames_resets_the_waits() -> None:
    """After a good spell the next retry is quick again."""
    clock = ManualClock()
    source = supervised(opener(*[REFUSED] * 5, ScriptedCamera([None, STALL]), ScriptedCamera([None])), clock)
    source.read()
    before = clock.monotonic()
    source.read()

    assert clock.monotonic() - before <= SETTINGS.retry_from + 1e-6


def test_every_attempt_is_in_the_ledger_and_every_change_in_the_log_once() -> None:
    """Three refusals are three decisions and one warning; connecting is one of each; no password in either."""
    decisions = KeptDecisions()
    source = supervised(opener(REFUSED, REFUSED, REFUSED, ScriptedCamera([None, None])), ManualClock(), decisions)
    with capture_logs() as logs:
        source.read()
        source.read()

    assert [(d.gate, d.passed, d.reason) for d in decisions.decisions] == [
        *[(Gate.CAMERA, False, "offline")] * 3,
        (Gate.CAMERA, True, "connected"),
    ]
    assert told(logs) == ["camera offline, retrying until it answers", "camera connected"]
    assert "hunter2" not in repr(logs) + repr(decisions.decisions)
    assert "10.0.0.9" in decisions.decisions[0].detail


def test_a_listener_hears_of_every_connection_failure_and_frame() -> None:
    """Refused twice, connected, stalled, connected again: in this order, frames after the connection they came by."""
    heard = KeptStream()
    cameras = REFUSED, REFUSED, ScriptedCamera([None, None, STALL]), ScriptedCamera([None])
    source = SupervisedSource("cam", opener(*cameras), SETTINGS, ManualClock(), KeptDecisions(), listener=heard)
    for _ in range(3):
        source.read()
    source.close()

    lost = "lost"
    assert heard.words == [lost, lost, "connected", "frame 0", "frame 1", lost, "connected", "frame 2"]
    assert "hunter2" not in repr(heard.reasons)


def test_a_camera_that_fails_twice_is_read_from_its_fallback() -> None:
    """Said once, in log and ledger, however often the fallback has to be reopened meanwhile."""
    decisions, spare = KeptDecisions(), opener(ScriptedCamera([None, STALL]), ScriptedCamera([None, None]))
    source = with_fallback(opener(*[REFUSED] * 4), spare, decisions)
    with capture_logs() as logs:
        numbers = [frame.sequence for _ in range(3) if (frame := source.read()) is not None]
    source.close()

    assert numbers == [0, 1, 2]
    assert [d.reason for d in decisions.decisions].count("on fallback") == 1
    assert told(logs).count("camera on fallback") == 1


def test_a_camera_returns_from_its_fallback_without_a_gap() -> None:
    """After `fallback_for` the address itself is opened while the fallback is read, and then taken."""
    decisions, clock = KeptDecisions(), ManualClock()
    main, spare = ScriptedCamera([None] * 1000), ScriptedCamera([None] * 10**6)
    source = with_fallback(opener(REFUSED, REFUSED, REFUSED, main), opener(spare), decisions, clock)
    source.read()
    assert [d.reason for d in decisions.decisions] == ["offline", "offline", "connected", "on fallback"]

    def is_back() -> bool:
        clock.advance(SETTINGS.fallback_for)  # the first look back is refused, the second answered
        source.read()
        return decisions.decisions[-1].reason == "back on url"

    assert wait_for(is_back)
    assert spare.is_closed
    assert [d.reason for d in decisions.decisions][4:] == ["back on url"]
    source.close()


def test_a_fallback_that_fails_too_gives_the_address_its_turn_again() -> None:
    """Two tries, one of the fallback, and again."""
    tries: list[str] = []

    def failing(name: str) -> Callable[[], VideoSource]:
        def open_next() -> VideoSource:
            tries.append(name)
            if len(tries) == 7:
                return ScriptedCamera([None])
            raise REFUSED

        return open_next

    with_fallback(failing("url"), failing("fallback"), KeptDecisions()).read()

    assert tries == ["url", "url", "fallback", "url", "url", "fallback", "url"]


def test_closing_interrupts_the_wait_for_the_next_try() -> None:
    """close from another thread ends a wait of minutes at once."""
    settings = IngestSettings(retry_from=600, retry_to=600)
    decisions = KeptDecisions()
    source = SupervisedSource("cam", opener(REFUSED), settings, SystemClock(), decisions)
    answers: list[object] = []
    reader = threading.Thread(target=lambda: answers.append(source.read()))
    reader.start()
    assert wait_for(lambda: bool(decisions.decisions))
    source.close()
    reader.join(10)

    assert answers == [None]


def test_a_source_that_opens_after_closing_is_closed_again() -> None:
    """Whoever closes while a connection is being made leaks nothing."""
    inner = ScriptedCamera([None])

    def open_slowly() -> VideoSource:
        source.close()
        return inner

    source = supervised(open_slowly, ManualClock())

    assert source.read() is None
    assert wait_for(lambda: inner.is_closed)


def test_closing_does_not_wait_for_an_address_that_does_not_answer() -> None:
    """close ends a reader whose camera is being opened, however long that takes; what opens later is closed."""
    opening, answered, inner = threading.Event(), threading.Event(), ScriptedCamera([None])

    def open_slowly() -> VideoSource:
        opening.set()
        answered.wait(60)
        return inner

    source = supervised(open_slowly, ManualClock())
    answers: list[object] = []
    reader = threading.Thread(target=lambda: answers.append(source.read()))
    reader.start()
    assert opening.wait(10)
    source.close()
    reader.join(10)
    answered.set()

    assert answers == [None]
    assert wait_for(lambda: inner.is_closed)


def test_what_can_never_work_passes_through() -> None:
    """A wrong file is refused, not retried."""
    source = supervised(opener(ConfigError("no such file")), ManualClock())

    with pytest.raises(ConfigError, match="no such file"):
        source.read()


def test_a_real_camera_that_stalls_comes_back() -> None:
    """Over HTTP: the camera falls silent, is reconnected, and frames arrive again with growing numbers."""
    settings = IngestSettings(connect_timeout=5, read_timeout=0.5, retry_from=0.05, retry_to=0.1)
    decisions = KeptDecisions()
    with mjpeg_camera(stall_after=8) as url:
        source = open_supervised(camera(url), settings, SystemClock(), decisions)
        numbers: list[int] = []
        while sum(decision.passed for decision in decisions.decisions) < 2:
            frame = source.read()
            assert frame is not None
            numbers.append(frame.sequence)
        source.close()

    assert [decision.reason for decision in decisions.decisions[:3]] == ["connected", "offline", "connected"]
    assert numbers == sorted(set(numbers))


def test_a_wrong_file_is_refused_before_anything_starts() -> None:
    """open_supervised opens files and scenes at once."""
    with pytest.raises(ConfigError):
        open_supervised(camera("/nowhere/clip.mp4"), SETTINGS, ManualClock(), KeptDecisions())


def test_a_live_camera_is_opened_by_the_reader_not_by_whoever_makes_the_source() -> None:
    """Making the source of a dead camera takes no time and raises nothing."""
    source = open_supervised(camera("rtsp://10.255.255.1/x"), SETTINGS, ManualClock(), KeptDecisions())

    assert source.is_live
    source.close()
    assert source.read() is None


def test_a_files_end_passes_through() -> None:
    """A supervised scene ends like any other."""
    clock = ManualClock()
    source = SupervisedSource(
        "cam",
        lambda: open_source(camera("synthetic:empty?seconds=1&fps=3&size=64x36"), SETTINGS, clock),
        SETTINGS,
        clock,
        KeptDecisions(),
        is_live=False,
    )

    assert [source.read() is None for _ in range(5)] == [False, False, False, True, True]
