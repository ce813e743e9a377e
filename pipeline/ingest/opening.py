"""A source that is being opened in a thread which nobody has to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress

from pipeline.contracts.frame import VideoSource


class Opening:
    """An address that does not answer blocks for as long as its timeout; who waits for it can be called off."""

    def __init__(self, name: str, open_inner: Callable[[], VideoSource]) -> None:
        self._opened: Future[VideoSource] = Future()
        threading.Thread(target=_open_into, args=(open_inner, self._opened), name=name, daemon=True).start()

    @property
    def is_done(self) -> bool:
        """Whether `result` answers at once."""
        return self._opened.done()

    def result(self) -> VideoSource | None:
        """The source, or the error that opening raised; None once cancelled. For the one who will close it."""
        try:
            return self._opened.result()
        except CancelledError:
            return None

    def cancel(self) -> None:
        """Nobody wants it any more: what has been opened, or will be, is closed."""
        if not self._opened.cancel() and not self._opened.cancelled() and self._opened.exception() is None:
            self._opened.result().close()


def _open_into(open_inner: Callable[[], VideoSource], opened: Future[VideoSource]) -> None:
    try:
        source = open_inner()
    except Exception as error:  # noqa: BLE001 - raised again where the result is asked for
        with suppress(InvalidStateError):
            opened.set_exception(error)
        return
    try:
        opened.set_result(source)
    except InvalidStateError:
        source.close()
