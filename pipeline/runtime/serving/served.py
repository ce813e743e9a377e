"""The models that run in other processes, as their callers see them: `Vision` and `VisionLanguageModel`.

Calls go over Serve's handles from plain threads; pictures travel inside the call (gRPC), not through the object
store. A replica that is dead, restarting, not there yet or too slow is a `TransientError`, a full queue
`Overloaded`; what the model's own process answered is raised as it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, RayServeException

from pipeline.contracts.assessment import Answer, Prompt
from pipeline.contracts.frame import EncodedFrame, SampledFrame
from pipeline.contracts.observation import Sight, TextEncoder
from pipeline.errors import InvalidMessage, Overloaded, SightlineError, TransientError
from pipeline.runtime.serving.sizing import CallLimits

ENCODER = "encoder"
VLM = "vlm"
"""Names of the applications, and of the one deployment in each."""
_SEE_SECONDS = 15.0
"""For one batch: a model that takes longer is stuck, or not there."""
_MAX_CACHED_TEXTS = 4096


@dataclass(frozen=True, slots=True)
class VisionCard:
    """What a caller must know of the models that see."""

    model_ids: Mapping[str, str]
    words_id: str = ""
    """The encoder's id; empty without an encoder."""
    supports_text: bool = False
    logit_scale: float = 1.0


class Remote:
    """A deployment's methods as calls that block and raise this program's errors. Thread-safe."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._handle: Any = None

    def send(self, method: str, *arguments: Any) -> Any:
        """Begin a call; `TransientError` when there is no such deployment now."""
        return getattr(self._connected(), method).remote(*arguments)

    def receive(self, response: Any, until: float) -> Any:
        """What a call answered; raises what it answered, if that is an error. `until` is on the monotonic clock."""
        try:
            answer = response.result(timeout_s=max(until - time.monotonic(), 0.0))
        except BackPressureError as error:
            raise Overloaded(f"{self._name}: {error}") from error
        except TimeoutError as error:
            response.cancel()
            raise TransientError(f"{self._name} did not answer in time") from error
        except (RayError, RayServeException, ConnectionError) as error:
            raise TransientError(f"{self._name} cannot now: {_in_short(error)}") from error
        if isinstance(answer, SightlineError):
            raise answer
        return answer

    def call(self, timeout_seconds: float, method: str, *arguments: Any) -> Any:
        """Send and receive."""
        return self.receive(self.send(method, *arguments), time.monotonic() + timeout_seconds)

    def _connected(self) -> Any:
        with self._lock:
            if self._handle is None:
                self._handle = self._find()
            return self._handle

    def _find(self) -> Any:
        try:
            handle = serve.get_deployment_handle(self._name, app_name=self._name)
        except (KeyError, RayError, RayServeException) as error:
            raise TransientError(f"{self._name} is not deployed (yet): {_in_short(error)}") from error
        # By value: 16 pictures of 20 kB took 4 ms so and 9 ms through the object store, 16 of 200 kB 19 and 11 ms but
        # with four calls under way the same; and no store fills up, nor is a picture fetched by way of a third process.
        # Plain pickle: what travels are this program's own classes, and Ray's cloudpickle takes twice as long for them.
        return handle.options(_by_reference=False, request_serialization="pickle", response_serialization="pickle")


class ServedVision:
    """`Vision` by the encoder's replicas."""

    def __init__(
        self, limits: CallLimits, *, timeout_seconds: float = _SEE_SECONDS, remote: Remote | None = None
    ) -> None:
        self.model_ids: Mapping[str, str] = {}
        self.words: TextEncoder | None = None
        self._limits = limits
        self._timeout_seconds = timeout_seconds
        self._remote = remote or Remote(ENCODER)

    def warm_up(self) -> None:
        """Ask the encoder what it is; `TransientError` while nobody answers."""
        card: VisionCard = self._remote.call(self._timeout_seconds, "describe")
        self.model_ids = dict(card.model_ids)
        self.words = ServedWords(card, self._remote, self._timeout_seconds) if card.words_id else None

    def see(self, frames: Sequence[SampledFrame]) -> list[Sight | InvalidMessage]:
        """One answer a frame, in order, by as many calls at once as the frames need."""
        until = time.monotonic() + self._timeout_seconds
        responses: list[Any] = []
        try:
            for call in calls_of(frames, self._limits):
                responses.append(self._remote.send("see", call))
            return [sight for response in responses for sight in self._remote.receive(response, until)]
        except SightlineError:
            for response in responses:
                response.cancel()
            raise

    def close(self) -> None:
        """Nothing is held here."""


class ServedWords:
    """`TextEncoder` by the encoder's replicas; what was asked before is answered from here. One thread."""

    def __init__(self, card: VisionCard, remote: Remote, timeout_seconds: float) -> None:
        self.model_id = card.words_id
        self.supports_text = card.supports_text
        self.logit_scale = card.logit_scale
        self._remote = remote
        self._timeout_seconds = timeout_seconds
        self._cache: dict[str, NDArray[np.float32]] = {}

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D), in order."""
        if len(self._cache) > _MAX_CACHED_TEXTS:
            self._cache.clear()
        missing = list(dict.fromkeys(text for text in texts if text not in self._cache))
        if missing:
            rows = self._remote.call(self._timeout_seconds, "encode_texts", missing)
            self._cache.update(zip(missing, rows, strict=True))
        return np.stack([self._cache[text] for text in texts]) if texts else np.empty((0, 0), np.float32)


class ServedVlm:
    """`VisionLanguageModel` by the vlm application's replicas; where there is none at the moment, the first call
    waits for one to start."""

    def __init__(self, model_id: str, timeout_seconds: float, *, remote: Remote | None = None) -> None:
        self.model_id = model_id
        self._timeout_seconds = timeout_seconds
        self._remote = remote or Remote(VLM)

    def warm_up(self) -> None:
        """Nothing: the model is warmed up where it runs, and need not run before it is asked."""

    def verdict(self, prompt: Prompt) -> Answer:
        """Yes, no or cannot tell."""
        answer: Answer = self._remote.call(self._timeout_seconds, "verdict", prompt)
        return answer

    def report(self, prompt: Prompt, schema: Mapping[str, Any]) -> str:
        """JSON text that follows `schema`."""
        return str(self._remote.call(self._timeout_seconds, "report", prompt, dict(schema)))

    def close(self) -> None:
        """Nothing is held here."""


def calls_of(frames: Sequence[SampledFrame], limits: CallLimits) -> Iterator[list[SampledFrame]]:
    """The frames in order, cut into calls within the limits; a frame too large for any call goes alone."""
    call: list[SampledFrame] = []
    num_bytes = 0
    for frame in frames:
        size = len(frame.frame.jpeg) if isinstance(frame.frame, EncodedFrame) else frame.frame.pixels.nbytes
        if call and (len(call) == limits.batch_frames or num_bytes + size > limits.call_bytes):
            yield call
            call, num_bytes = [], 0
        call.append(frame)
        num_bytes += size
    if call:
        yield call


def _in_short(error: BaseException) -> str:
    """The last line of Ray's message: the rest is a traceback of its own."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1].strip()}" if lines else type(error).__name__
