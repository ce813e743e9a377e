"""How much an object holds, counted in objects: what grows with the number of events is a leak."""

from __future__ import annotations

import gc
import types
from typing import Any

_SHARED = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType)
"""Parts of the program itself, reachable from everywhere."""


def num_held(root: Any) -> int:
    """Objects that can be reached from `root`, the program's own aside."""
    seen: dict[int, Any] = {}
    waiting = [root]
    while waiting:
        current = waiting.pop()
        if id(current) in seen or isinstance(current, _SHARED):
            continue
        seen[id(current)] = current
        waiting += gc.get_referents(current)
    return len(seen)
