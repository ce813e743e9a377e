"""Ray, imported without the warnings its own modules raise: import this before anything that imports Ray."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ray.serve  # noqa: F401
