"""The stages as deployments of Ray Serve.

Three classes host everything: `ServiceHost` a stage that pulls its work, `EncoderHost` the models that see,
`VlmHost` the vision-language model. What is no fault of Ray travels as a value: a method answers its result or one
of `pipeline.errors`, which `served.py` raises on the caller's side, so that no vendor exception stands between.

A constructor that raises `ConfigError` makes its application fail with that message. For what is only away now
(`TransientError`) it waits: a stage comes up with whatever it needs, in any order, and comes back with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import structlog
from numpy.typing import NDArray
from ray import serve

from pipeline.contracts.assessment import Answer, Prompt, VisionLanguageModel
from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.observation import Sight, Vision
from pipeline.errors import ConfigError, InvalidMessage, SightlineError, StageFailed, TransientError
from pipeline.runtime.mean_over_time import MeanOverTime
from pipeline.runtime.service import Service
from pipeline.runtime.serving.autoscale import BUSY_STAT, FRAMES_STAT
from pipeline.runtime.serving.mirror import MetricsMirror
from pipeline.runtime.serving.served import VisionCard
from pipeline.runtime.serving.sizing import CONCURRENT_BATCHES, CallLimits, check_ongoing_limit
from pipeline.telemetry import Metrics

log = structlog.get_logger()
_RETRY_FROM_SECONDS = 0.5
_RETRY_TO_SECONDS = 10.0
_FAILURES_UNTIL_RESTART = 3
"""Calls in a row that failed of something nobody foresaw: the model's state is in doubt."""

Result = TypeVar("Result")
Sights = list[Sight | InvalidMessage]


class ServiceBuilder(Protocol):
    """Makes a service inside its replica, not yet started. `TransientError` when what it needs is away."""

    def __call__(self, metrics: Metrics) -> Service:
        """Called from a plain thread; again after `TransientError`."""
        ...


class ServiceHost:
    """One replica of a stage that pulls its work: Ray restarts it when its health check fails, and asks it how far
    it is behind."""

    def __init__(self, name: str, build: ServiceBuilder, num_cpus: float, drain_seconds: float) -> None:
        metrics = Metrics()
        self._drain_seconds = drain_seconds
        self._service = in_plain_thread(lambda: patiently(name, lambda: build(metrics)))
        in_plain_thread(self._service.start)
        self._mirror = MetricsMirror(metrics.registry)
        self._usage = CpuUsage(num_cpus)

    def check_health(self) -> None:
        """Ray calls it every few seconds; what it raises ends this replica."""
        self._service.check_health()

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What `autoscale.py` decides from."""
        return {**self.stats(), BUSY_STAT: self._usage.read()}

    def stats(self) -> dict[str, float]:
        """The service's own."""
        return {name: float(value) for name, value in self._service.stats().items()}

    def __del__(self) -> None:
        """Ray's word for the end of a replica; also called when the constructor failed."""
        if (service := getattr(self, "_service", None)) is not None:
            service.stop(self._drain_seconds)
        if (mirror := getattr(self, "_mirror", None)) is not None:
            mirror.close()


class EncoderHost:
    """One replica of the models that see. Calls become batches again; one batch is decoded while the model has the
    other, and the event loop is free meanwhile."""

    def __init__(self, build: Callable[[], Vision], limits: CallLimits, batch_wait_seconds: float) -> None:
        check_ongoing_limit(limits, serve.get_replica_context()._deployment_config.max_ongoing_requests)
        self._batch_frames = limits.batch_frames
        self._pool = ThreadPoolExecutor(CONCURRENT_BATCHES, thread_name_prefix="encoder")
        self._failures = FailureCount("the encoder")
        self._in_hand = MeanOverTime()
        self._vision = in_plain_thread(lambda: patiently("encoder", lambda: _warm(build())))
        self._batched = serve.batch(
            max_batch_size=limits.batch_frames,
            batch_wait_timeout_s=batch_wait_seconds,
            max_concurrent_batches=CONCURRENT_BATCHES,
            batch_size_fn=_num_frames,
        )(self._see_calls)

    async def see(self, frames: list[SampledFrame]) -> Sights | SightlineError:
        """One answer a frame, in order; an error when there can be none now."""
        if len(frames) > self._batch_frames:
            return ConfigError(f"a call of {len(frames)} frames, but cluster.batch_frames is {self._batch_frames} here")
        with self._in_hand.more(len(frames)):
            answer: Sights | SightlineError = await self._batched(frames)
        return answer

    async def encode_texts(self, texts: list[str]) -> NDArray[Any] | SightlineError:
        """(N, D) unit rows."""
        words = self._vision.words
        if words is None:
            return ConfigError("models.encoder: none is set, so there is nothing to encode words with")
        return await self._failures.guard(self._pool, lambda: words.encode_texts(texts))

    async def describe(self) -> VisionCard:
        """Which models these are."""
        words = self._vision.words
        if words is None:
            return VisionCard(dict(self._vision.model_ids))
        return VisionCard(dict(self._vision.model_ids), words.model_id, words.supports_text, words.logit_scale)

    def check_health(self) -> None:
        """`StageFailed` once calls in a row have failed of something nobody foresaw."""
        self._failures.check()

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What `autoscale.py` decides from."""
        return {FRAMES_STAT: self._in_hand.read()}

    def __del__(self) -> None:
        if (vision := getattr(self, "_vision", None)) is not None:
            self._pool.shutdown()
            vision.close()

    async def _see_calls(self, calls: list[list[SampledFrame]]) -> list[Sights | SightlineError]:
        """All calls in one batch; should that fail of something nobody foresaw, each alone."""
        frames = [frame for call in calls for frame in call]
        answer = await self._see(frames)
        if isinstance(answer, SightlineError):
            return [await self._see(call) for call in calls] if len(calls) > 1 else [answer]
        answers = iter(answer)
        return [[next(answers) for _ in call] for call in calls]

    async def _see(self, frames: Sequence[SampledFrame]) -> Sights | SightlineError:
        return await self._failures.guard(self._pool, lambda: self._vision.see(frames))


class VlmHost:
    """One replica of the vision-language model."""

    def __init__(self, build: Callable[[], VisionLanguageModel], max_ongoing_requests: int) -> None:
        self._pool = ThreadPoolExecutor(max_ongoing_requests, thread_name_prefix="vlm")
        self._failures = FailureCount("the vision-language model")
        self._model = in_plain_thread(lambda: patiently("vlm", lambda: _warm(build())))

    async def verdict(self, prompt: Prompt) -> Answer | SightlineError:
        """As `VisionLanguageModel.verdict`."""
        return await self._failures.guard(self._pool, lambda: self._model.verdict(prompt))

    async def report(self, prompt: Prompt, schema: Mapping[str, Any]) -> str | SightlineError:
        """As `VisionLanguageModel.report`."""
        return await self._failures.guard(self._pool, lambda: self._model.report(prompt, schema))

    def check_health(self) -> None:
        """`StageFailed` once requests in a row have failed of something nobody foresaw."""
        self._failures.check()

    def __del__(self) -> None:
        if (model := getattr(self, "_model", None)) is not None:
            self._pool.shutdown()
            model.close()


class FailureCount:
    """Runs calls off the event loop; whatever they raise becomes a value, and a row of surprises a bad health."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._in_a_row = 0
        self._last = ""

    async def guard(self, pool: ThreadPoolExecutor, call: Callable[[], Result]) -> Result | SightlineError:
        """The result, or what went wrong; an exception that is none of ours is a `TransientError`."""
        try:
            result = await asyncio.get_running_loop().run_in_executor(pool, call)
        except StageFailed as error:
            return self._failed(error)
        except SightlineError as error:
            return error
        except Exception as error:
            log.exception("failed", what=self._what)
            return self._failed(error)
        self._in_a_row = 0
        return result

    def check(self) -> None:
        """`StageFailed` after a row of failures."""
        if self._in_a_row >= _FAILURES_UNTIL_RESTART:
            raise StageFailed(f"{self._what} failed {self._in_a_row} times in a row, last with {self._last}")

    def _failed(self, error: Exception) -> TransientError:
        self._in_a_row += 1
        self._last = f"{type(error).__name__}: {error}"
        return TransientError(f"{self._what} failed: {self._last}")


class CpuUsage:
    """Share of its CPUs (at least one: a reservation of less is no limit) this process used since it was last asked,
    0..1. Asked by one thread."""

    def __init__(self, num_cpus: float) -> None:
        self._num_cpus = max(num_cpus, 1.0)
        self._last = (time.monotonic(), time.process_time())

    def read(self) -> float:
        """Since the last reading."""
        (wall, cpu), self._last = self._last, (time.monotonic(), time.process_time())
        elapsed_seconds = max(self._last[0] - wall, 1e-3)
        return min((self._last[1] - cpu) / elapsed_seconds / self._num_cpus, 1.0)


def in_plain_thread(call: Callable[[], Result]) -> Result:
    """Run where no event loop runs and wait: Ray constructs replicas on their loop, on which a handle cannot be
    waited for."""
    with ThreadPoolExecutor(1, thread_name_prefix="start") as pool:
        return pool.submit(call).result()


def patiently(name: str, build: Callable[[], Result]) -> Result:
    """What `build` makes, once nothing it needs is away any more. Ray counts a constructor's failures and gives up
    after a few; a database that is away for ten minutes must not end a stage for good."""
    wait_seconds = _RETRY_FROM_SECONDS
    while True:
        try:
            return build()
        except TransientError as error:
            log.warning("waiting for what this stage needs", stage=name, error=str(error), again_in=wait_seconds)
        time.sleep(wait_seconds)
        wait_seconds = min(2 * wait_seconds, _RETRY_TO_SECONDS)


class _NeedsWarmth(Protocol):
    def warm_up(self) -> None: ...

    def close(self) -> None: ...


Model = TypeVar("Model", bound=_NeedsWarmth)


def _warm(model: Model) -> Model:
    try:
        model.warm_up()
    except SightlineError:
        model.close()
        raise
    return model


def _num_frames(calls: Sequence[Sequence[SampledFrame]]) -> int:
    return sum(len(call) for call in calls)
