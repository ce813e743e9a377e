"""Applications of Ray Serve for tests: a toy stage, toy models that see, and a toy vision-language model.

Each is built by Serve in processes of its own, from a configuration; what it did is written to `args["folder"]`.
"""

from __future__ import annotations

import tests.support.quiet_ray  # isort: skip  # noqa: F401

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve

from pipeline.contracts.assessment import Answer, Prompt
from pipeline.contracts.frame import EncodedFrame, Motion, SampledFrame
from pipeline.contracts.observation import Region, Sight
from pipeline.contracts.values import Box
from pipeline.errors import ConfigError, InvalidMessage, Overloaded, StageFailed, TransientError
from pipeline.runtime.serving.applications import EncoderHost, ServiceHost, VlmHost
from pipeline.runtime.serving.sizing import MESSAGE_VARIABLE, call_limits
from pipeline.settings import BusSettings, ClusterSettings
from pipeline.telemetry import Metrics
from tests.support.perception import START, small_vision

ROOT = Path(__file__).resolve().parents[2]
LIMITS = call_limits(ClusterSettings(batch_frames=32), BusSettings())


def application(name: str, builder: str, folder: Path, *, policy: Mapping[str, Any] | None = None, **given: Any) -> Any:
    """One entry of a Serve configuration."""
    environment = {MESSAGE_VARIABLE: str(LIMITS.message_bytes), "PYTHONPATH": str(ROOT)}
    options = {"graceful_shutdown_timeout_s": 5, "health_check_period_s": 0.5, "ray_actor_options": {"num_cpus": 0.1}}
    return {
        "name": name,
        "route_prefix": None,
        "import_path": f"tests.support.serve_apps:{builder}",
        "args": {"folder": str(folder)},
        "runtime_env": {"env_vars": environment},
        "deployments": [{"name": name, **options, **given}],
        **({"autoscaling_policy": policy} if policy else {}),
    }


class ToyStage:
    """A `Service` that leaves a file for everything it is told, and does what other files say."""

    def __init__(self, folder: Path, metrics: Metrics) -> None:
        self._folder = folder
        self._metrics = metrics
        self._began = f"{os.getpid()}"

    def start(self) -> None:
        if (self._folder / "wrong").exists():
            raise ConfigError("models.encoder: expected a folder, got nothing; name another")
        (self._folder / f"started-{self._began}").touch()
        self._metrics.frames_read.labels("yard").inc(7)

    def stop(self, drain_seconds: float) -> None:
        (self._folder / f"stopped-{self._began}").write_text(str(drain_seconds))

    def check_health(self) -> None:
        if (self._folder / f"sick-{self._began}").exists():
            raise StageFailed("the poll loop is stale")

    def stats(self) -> dict[str, float]:
        given = self._folder / "age"
        age = float(given.read_text()) if given.exists() else 0.0
        return {"oldest_age_seconds": age, "lag": age * 10, "pid": float(os.getpid())}


def _stage(folder: Path, metrics: Metrics) -> ToyStage:
    if not (folder / "database").exists():
        raise TransientError("the database is away")
    return ToyStage(folder, metrics)


def stage(args: dict[str, str]) -> Any:
    folder = Path(args["folder"])
    host = serve.deployment(ServiceHost, name=folder.name)
    return host.bind(folder.name, partial(_stage, folder), 0.1, 2.0)


class ToyVision:
    """A `Vision` that answers the picture's first byte, and how many frames came in the batch."""

    model_ids = {"detector": "toy", "encoder": "toy-words"}

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.words = ToyWords()

    def warm_up(self) -> None:
        pass

    def see(self, frames: Sequence[SampledFrame]) -> list[Sight | InvalidMessage]:
        orders = [frame.frame.camera_id for frame in frames]
        if "burns" in orders:
            raise RuntimeError("the device is on fire")
        if "full" in orders:
            raise Overloaded("no room")
        if "slow" in orders:
            time.sleep(3.0)
        return [self._look(frame.frame, len(frames)) for frame in frames]

    def close(self) -> None:
        (self._folder / "closed").touch()

    def _look(self, frame: Any, batch: int) -> Sight | InvalidMessage:
        if not frame.jpeg:
            return InvalidMessage(f"frame {frame.sequence} holds nothing")
        region = Region(Box(0, 0, 1, 1), "toy", frame.jpeg[0] / 256)
        return Sight((region,), np.full(8, batch, np.float32))


class ToyWords:
    model_id = "toy-words"
    supports_text = True
    logit_scale = 2.5

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[len(text), os.getpid()] for text in texts], np.float32)


def eyes(args: dict[str, str]) -> Any:
    folder = Path(args["folder"])
    return serve.deployment(EncoderHost, name="encoder").bind(partial(ToyVision, folder), LIMITS, 0.005)


def small_eyes(args: dict[str, str]) -> Any:
    """The models of `tests.support.perception.small_vision`."""
    return serve.deployment(EncoderHost, name="encoder").bind(small_vision, LIMITS, 0.005)


class ToyVlm:
    """A `VisionLanguageModel` that does what the prompt says."""

    model_id = "toy-vlm"

    def warm_up(self) -> None:
        pass

    def verdict(self, prompt: Prompt) -> Answer:
        errors = {"busy": Overloaded, "nonsense": InvalidMessage, "away": TransientError}
        if prompt.system in errors:
            raise errors[prompt.system](prompt.system)
        return Answer(0.9, 0.1, 0.0, prompt.system)

    def report(self, prompt: Prompt, schema: Mapping[str, Any]) -> str:
        return f"{prompt.system} {sorted(schema)}"

    def close(self) -> None:
        pass


def vlm(args: dict[str, str]) -> Any:
    return serve.deployment(VlmHost, name="vlm").bind(ToyVlm, 4)


def picture(first: int = 7, size: int = 1000, camera_id: str = "yard") -> SampledFrame:
    """A frame as it comes from the bus; its picture is not one."""
    jpeg = bytes([first]) * size
    frame = EncodedFrame(camera_id, first, START, 0.0, 640, 360, jpeg)
    return SampledFrame(frame, Motion((), 0.0, is_global=False), np.zeros((36, 64), np.uint8), "motion")
