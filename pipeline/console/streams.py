"""Answers that come bit by bit, as Server-Sent Events."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.background import BackgroundTask

from pipeline.console.problems import of_error, unexpected
from pipeline.errors import SightlineError

Tell = Callable[[str, Any], None]
"""(name of the event, what can be written as JSON)."""
_NO_PROXY_BUFFER = {"X-Accel-Buffering": "no"}


def event(name: str, data: Any, event_id: str | None = None) -> ServerSentEvent:
    """One event; its data is JSON on one line."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, default=str)
    return ServerSentEvent(text, event=name, id=event_id)


def streamed(events: Any, afterwards: BackgroundTask | None = None) -> EventSourceResponse:
    """The response of an iterator of events; a comment now and then keeps the connection alive."""
    return EventSourceResponse(events, headers=_NO_PROXY_BUFFER, ping=15, background=afterwards)


def told_by(found: Iterator[tuple[str, Any]], path: str) -> EventSourceResponse:
    """What an iterator tells, asked for the next only while somebody listens, and closed as soon as nobody does; an
    error is the last event, `problem`."""

    def events() -> Generator[ServerSentEvent, None, None]:
        try:
            for name, data in found:
                yield event(name, data)
        except SightlineError as error:
            yield event("problem", bytes(of_error(error).body).decode())
        except Exception as error:  # noqa: BLE001 - the stream has begun: its end must say so
            yield event("problem", bytes(unexpected(path, error).body).decode())
        finally:
            if isinstance(found, Generator):
                found.close()

    # When a client goes, this would else be kept until the next collection of garbage.
    telling = events()
    return streamed(telling, BackgroundTask(telling.close))


def told_while(work: Callable[[Tell], None], path: str) -> EventSourceResponse:
    """What `work` tells while it is done on a thread of its own; an error is its last event, `problem`."""
    told: queue.SimpleQueue[ServerSentEvent | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            work(lambda name, data: told.put(event(name, data)))
        except SightlineError as error:
            told.put(event("problem", bytes(of_error(error).body).decode()))
        except Exception as error:  # noqa: BLE001 - the stream has begun: its end must say so
            told.put(event("problem", bytes(unexpected(path, error).body).decode()))
        finally:
            told.put(None)

    def events() -> Iterator[ServerSentEvent]:
        threading.Thread(target=run, name="console-answer", daemon=True).start()
        while (each := told.get()) is not None:
            yield each

    return streamed(events())
