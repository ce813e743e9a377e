"""Numbered things made by other processes before they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Ahead(Generic[Made]):
    """Makes nothing outside of `running`. `make` must be a function of its number alone, and travel by pickle."""

    def __init__(self, make: Callable[[int], Made], *, depth: int) -> None:
        """`depth`: how many may wait for each process."""
        self._make, self._depth = make, depth
        self._coming: dict[int, Future[Made]] = {}
        self._pool: ProcessPoolExecutor | None = None
        self._workers = 0

    @property
    def reach(self) -> int:
        """How many beyond those wanted now are worth asking for."""
        return self._depth * self._workers

    @contextmanager
    def running(self, workers: int) -> Iterator[None]:
        """Inside the block `workers` processes, perhaps none, make what was asked for."""
        if workers == 0:
            yield
            return
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            self._pool, self._workers = pool, workers
            try:
                yield
            finally:
                for one in self._coming.values():
                    one.cancel()
                self._coming.clear()
                self._pool, self._workers = None, 0

    def ask(self, numbers: Iterable[int]) -> None:
        """Have these made, those that are under way left alone."""
        if self._pool is not None:
            for number in numbers:
                if number not in self._coming:
                    self._coming[number] = self._pool.submit(self._make, number)

    def take(self, number: int) -> Made | None:
        """What was made, waited for if need be; None when nobody had asked for it."""
        return self._coming.pop(number).result() if number in self._coming else None
