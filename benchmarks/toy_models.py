"""Models for the benchmarks of the cluster that see nothing, in the real host; Ray Serve imports this module.

Also the encoder of the naive pipeline, to compare with.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ray

from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.observation import Sight, TextEncoder
from pipeline.runtime.serving.applications import EncoderHost
from pipeline.runtime.serving.served import ENCODER
from pipeline.runtime.serving.sizing import call_limits
from pipeline.settings import load_settings
from pipeline.site import load_site

NAIVE = "naive"
NAIVE_REQUESTS = 256
"""In one replica at a time: far more than Serve's default of 5, so that the naive pipeline is not held back by it."""


class ToyVision:
    """A `Vision` that sees nothing, and takes so long for a batch and for each of its frames, one batch at a time, as
    one GPU would."""

    model_ids: Mapping[str, str] = {"detector": "toy"}
    words: TextEncoder | None = None

    def __init__(self, batch_seconds: float, frame_seconds: float) -> None:
        self._batch_seconds = batch_seconds
        self._frame_seconds = frame_seconds
        self._device = threading.Lock()

    def warm_up(self) -> None:
        """Nothing to load."""

    def see(self, frames: Sequence[SampledFrame]) -> list[Sight]:
        if seconds := self._batch_seconds + len(frames) * self._frame_seconds:
            with self._device:
                time.sleep(seconds)
        return [Sight(()) for _ in frames]

    def close(self) -> None:
        """Nothing to free."""


def encoder(arguments: Mapping[str, str]) -> Any:
    """The application `encoder` with toy models."""
    site = load_site(Path(arguments["site"]))
    settings = load_settings(site.settings)
    limits = call_limits(settings.cluster, settings.bus)
    build = partial(ToyVision, float(arguments["batch_seconds"]), float(arguments["frame_seconds"]))
    return ray.serve.deployment(EncoderHost, name=ENCODER).bind(build, limits, settings.cluster.batch_wait)


@ray.serve.deployment(name=NAIVE, max_ongoing_requests=NAIVE_REQUESTS)
class NaiveEncoder:
    """What Ray's tutorials begin with."""

    async def __call__(self, _jpeg: bytes) -> list[str]:
        return []


def naive(_: Mapping[str, str] | None = None) -> Any:
    """The application `naive`."""
    return NaiveEncoder.bind()


def naive_application() -> dict[str, Any]:
    """Its entry in a Serve configuration."""
    environment = {"PYTHONPATH": str(Path(__file__).parent)}
    return {
        "name": NAIVE,
        "route_prefix": None,
        "import_path": f"{Path(__file__).stem}:naive",
        "runtime_env": {"env_vars": environment},
    }


def application_of(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One of a Serve configuration's applications."""
    return dict(next(application for application in config["applications"] if application["name"] == name))


def with_toy_models(
    application: Mapping[str, Any], batch_seconds: float = 0.0, frame_seconds: float = 0.0
) -> dict[str, Any]:
    """The application `encoder`, with toy models in place of those of the site file."""
    environment = {**application["runtime_env"]["env_vars"], "PYTHONPATH": str(Path(__file__).parent)}
    times = {"batch_seconds": str(batch_seconds), "frame_seconds": str(frame_seconds)}
    return {
        **application,
        "import_path": f"{Path(__file__).stem}:encoder",
        "args": {**application["args"], **times},
        "runtime_env": {"env_vars": environment},
    }
