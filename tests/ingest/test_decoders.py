"""Decoders are processes: whatever happens to one, its camera comes back, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from pipeline import jpeg
from pipeline.clock import SystemClock
from pipeline.contracts.frame import EncodedFrame
from pipeline.errors import ConfigError, TransientError
from pipeline.ingest import PictureWish, open_source, open_supervised
from pipeline.settings import IngestSettings
from tests.support.ingest import KeptDecisions, camera, mjpeg_camera, wait_for

SETTINGS = IngestSettings(connect_timeout=10, read_timeout=10, retry_from=0.05, retry_to=0.1)
IMPATIENT = SETTINGS.model_copy(update={"read_timeout": 0.5})
READER = """
import multiprocessing
import signal
import sys
from pipeline.clock import SystemClock
from pipeline.contracts.camera import Camera
from pipeline.ingest import open_source
from pipeline.settings import IngestSettings
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
source = open_source(Camera(id="cam", url=sys.stdin.readline().strip()), IngestSettings(), SystemClock())
try:
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    while source.read():
        pass
except KeyboardInterrupt:
    source.close()
"""
"""A program that reads a camera for ever, and says which its decoder is."""


def decoder_pid() -> int:
    (pid,) = (child.pid for child in multiprocessing.active_children())
    assert pid is not None
    return pid


def is_alive(pid: int) -> bool:
    """A zombie is not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def descendants() -> list[str]:
    """The folders in /proc of this process's children, and theirs."""
    found, todo = [], [str(os.getpid())]
    while todo:
        children = Path(f"/proc/{todo[0]}/task/{todo.pop(0)}/children").read_text().split()
        found += [f"/proc/{child}" for child in children]
        todo += children
    return found


@contextmanager
def reading_program(url: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`READER` as a process group of its own, and its decoder's process id."""
    with subprocess.Popen(
        [sys.executable, "-c", READER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(url + "\n")
        program.stdin.flush()
        pid = int(program.stdout.readline())
        try:
            yield program, pid
        finally:
            program.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP], ids=lambda number: number.name)
def test_a_decoder_that_dies_or_hangs_is_replaced(number: signal.Signals) -> None:
    """Killed from outside, crashed, or stopped dead: the reader gets frames again, from another process."""
    decisions = KeptDecisions()
    with mjpeg_camera() as url:
        source = open_supervised(camera(url), IMPATIENT, SystemClock(), decisions)
        source.read()
        first = decoder_pid()
        os.kill(first, number)
        while [decision.reason for decision in decisions.decisions].count("connected") < 2:
            assert source.read() is not None
        assert decoder_pid() != first
        source.close()

    assert not is_alive(first)
    assert [decision.reason for decision in decisions.decisions] == ["connected", "offline", "connected"]


def test_the_reason_of_a_decoder_that_is_gone_is_told() -> None:
    """By which signal it ended; that nobody takes the request any more is no other error."""
    with mjpeg_camera() as url:
        source = open_source(camera(url), SETTINGS, SystemClock())
        pid = decoder_pid()
        os.kill(pid, signal.SIGKILL)
        assert wait_for(lambda: not is_alive(pid))
        with pytest.raises(TransientError, match=r"the decoder ended unexpectedly \(signal 9\)"):
            source.read()
        source.close()


def test_the_reason_of_a_decoder_that_hung_is_told() -> None:
    """It did not answer, and was killed."""
    with mjpeg_camera() as url:
        source = open_source(camera(url), IMPATIENT, SystemClock())
        os.kill(decoder_pid(), signal.SIGSTOP)
        with pytest.raises(TransientError, match=r"no answer of the decoder for 2\.5 s; it was killed"):
            source.read()
        source.close()


def test_no_decoder_survives_a_parent_that_is_killed() -> None:
    """Not even kill -9 of the program leaves a process that holds the camera."""
    with mjpeg_camera() as url, reading_program(url) as (program, pid):
        assert is_alive(pid)
        program.kill()

        assert wait_for(lambda: not is_alive(pid))


def test_ctrl_c_is_the_parents_alone() -> None:
    """The whole process group is interrupted, as by a terminal: the program ends by itself, and says nothing."""
    with mjpeg_camera() as url, reading_program(url) as (program, pid):
        os.killpg(program.pid, signal.SIGINT)
        _, errors = program.communicate(timeout=30)

        assert (program.returncode, errors) == (0, "")
        assert wait_for(lambda: not is_alive(pid))


def test_twenty_reconnections_leave_nothing_behind() -> None:
    """As many open files, threads and processes as after the first."""

    def held() -> tuple[int, int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), len(descendants())

    with mjpeg_camera() as url:
        open_source(camera(url), SETTINGS, SystemClock()).close()
        before = held()
        for _ in range(20):
            source = open_source(camera(url), SETTINGS, SystemClock())
            source.read()
            source.close()

        assert multiprocessing.active_children() == []
        assert wait_for(lambda: held() == before), f"{before} became {held()}"


def test_many_cameras_are_opened_at_the_same_time() -> None:
    """From as many threads; each gets frames of its own."""
    with mjpeg_camera(fps=10) as url, ThreadPoolExecutor(12) as threads:
        sources = list(threads.map(lambda _: open_source(camera(url), SETTINGS, SystemClock()), range(12)))
        frames = list(threads.map(lambda source: source.read(), sources))
        list(threads.map(lambda source: source.close(), sources))

    assert all(isinstance(frame, EncodedFrame) for frame in frames)
    assert multiprocessing.active_children() == []


def test_no_process_shows_the_password() -> None:
    """Neither the command line nor the environment of any child holds a word of the address."""
    with mjpeg_camera() as url:
        source = open_source(camera(url), SETTINGS, SystemClock())
        shown = [Path(folder, name).read_bytes() for folder in descendants() for name in ("cmdline", "environ")]
        source.close()

    assert len(shown) >= 4  # the fork server and the decoder at least
    assert not any(b"hunter2" in text or b"/video" in text for text in shown)


def test_a_live_frame_leaves_its_decoder_masked() -> None:
    """What lies under the mask never reaches this process."""
    half = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    with mjpeg_camera() as url:
        source = open_source(camera(url, masks=(half,)), SETTINGS, SystemClock(), wish=PictureWish(jpeg_quality=95))
        frames = [source.read() for _ in range(4)]
        source.close()

    pictures = [jpeg.pixels_of(frame) for frame in frames if frame is not None]
    assert all(picture[:, :24].max() < 16 for picture in pictures)  # JPEG rings a little
    assert max(int(np.mean(picture[:, 40:])) for picture in pictures) > 20


def test_what_no_retry_mends_is_a_configuration_error() -> None:
    """Faces that cannot be blurred are not shown, and the program is told why."""
    with mjpeg_camera() as url, pytest.raises(ConfigError):
        open_source(
            camera(url, blur_faces=True), SETTINGS, SystemClock(), wish=PictureWish(faces="onnx:/nowhere/faces.onnx")
        )


def test_a_device_that_is_not_there_leaves_the_work_to_the_processor() -> None:
    """The stream is decoded all the same, and one line says by what."""
    settings = SETTINGS.model_copy(update={"hardware_decode": "amf"})
    with mjpeg_camera() as url, capture_logs() as logs:
        source = open_source(camera(url), settings, SystemClock())
        frame = source.read()
        source.close()

    assert frame is not None
    assert [entry["note"] for entry in logs] == ["no amf device: decoding on the processor"]
