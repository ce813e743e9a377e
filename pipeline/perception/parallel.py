"""The same work on many pictures at once, where it leaves Python's lock: decoding, resizing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(call: Callable[[Item], Result], items: Sequence[Item], num_threads: int) -> list[Result]:
    """`call` for every item, in order; 0 threads is one a core. Raises what the first of the failed ones raised.

    Threads live for one call only, so that nobody must close them: starting four takes 0.2 ms.
    """
    num_threads = min(num_threads or os.cpu_count() or 1, len(items))
    if num_threads < 2:
        return [call(item) for item in items]
    with ThreadPoolExecutor(num_threads) as pool:
        return list(pool.map(call, items))
