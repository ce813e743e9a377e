"""What is loaded when it is first needed: the one way in which models wait for somebody to ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Closing(Protocol):
    """What can be freed."""

    def close(self) -> None:
        """Free it."""
        ...


Held = TypeVar("Held", bound=Closing | None)


class Lazy(Generic[Held]):
    """Loaded by the first call, once; a load that fails is tried again by the next. Thread-safe."""

    def __init__(self, load: Callable[[], Held]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._held: Held | None = None

    def __call__(self) -> Held:
        """It; raises what loading raises."""
        with self._lock:
            if self._held is None:
                self._held = self._load()
            return self._held

    def close(self) -> None:
        """Free it if it was loaded; may be called twice."""
        with self._lock:
            held, self._held = self._held, None
        if held is not None:
            held.close()
