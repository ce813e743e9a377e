"""How much goes into one call between two stages: every limit follows from `cluster.batch_frames` and
`bus.max_message_bytes`.

A full call is a full batch of the encoder; smaller calls, of watchers with little to ask, become batches there. Ray
Serve takes the rest as options of a deployment and as variables of the environment; nothing else relates them, so they
are made here and checked where a replica starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import ConfigError
from pipeline.settings import BusSettings, ClusterSettings

CONCURRENT_BATCHES = 2
"""One is decoded while the model has the other."""
MESSAGE_VARIABLE = "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH"
"""Bytes; Ray's default is 4 MB, read once by every process of Serve."""

_CALL_BYTES = 16_777_216
"""Pictures in one call: 40 full-HD JPEGs of 400 kB."""
_FRAME_OVERHEAD_BYTES = 16_384
"""Of a frame without its picture: the thumbnail is 2,304 bytes, the rest are numbers and moving regions."""
_MESSAGE_OVERHEAD_BYTES = 1_048_576
_LARGEST_MESSAGE_BYTES = 2**31 - 1
"""gRPC's lengths are signed 32-bit numbers."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The sizes that belong together."""

    batch_frames: int
    """Most frames of one call, and of one batch of the encoder."""
    call_bytes: int
    """Most bytes of pictures in one call; one frame may always go."""
    max_ongoing_calls: int
    """Calls in one replica: two batches at work and one that fills, were every call of one frame only."""
    max_queued_calls: int
    """Calls that wait in one caller for a replica; the next is refused."""
    target_ongoing_frames: float
    """Frames in one replica above which another replica is wanted: three quarters of what keeps it fully at work."""
    message_bytes: int
    """Longest message between two processes of Serve."""


def call_limits(cluster: ClusterSettings, bus: BusSettings) -> CallLimits:
    """What follows from the settings; `ConfigError` when no message could carry a call."""
    call_bytes = max(_CALL_BYTES, bus.max_message_bytes)
    message_bytes = call_bytes + cluster.batch_frames * _FRAME_OVERHEAD_BYTES + _MESSAGE_OVERHEAD_BYTES
    if message_bytes > _LARGEST_MESSAGE_BYTES:
        raise ConfigError(
            f"a call would be of {message_bytes} bytes, the most is {_LARGEST_MESSAGE_BYTES}: lower "
            f"bus.max_message_bytes ({bus.max_message_bytes}) or cluster.batch_frames ({cluster.batch_frames})"
        )
    return CallLimits(
        batch_frames=cluster.batch_frames,
        call_bytes=call_bytes,
        max_ongoing_calls=cluster.batch_frames * (CONCURRENT_BATCHES + 1),
        max_queued_calls=4 * CONCURRENT_BATCHES,
        target_ongoing_frames=0.75 * CONCURRENT_BATCHES * cluster.batch_frames,
        message_bytes=message_bytes,
    )


def check_message_limit(limits: CallLimits, environment: Mapping[str, str]) -> None:
    """`ConfigError` when this process, or one with this environment, could not send or take a full call."""
    given = environment.get(MESSAGE_VARIABLE, "")
    if not given.isdecimal() or int(given) < limits.message_bytes:
        raise ConfigError(
            f"{MESSAGE_VARIABLE} must be at least {limits.message_bytes} with cluster.batch_frames="
            f"{limits.batch_frames}, got {given or 'nothing'}: set it in the application's runtime_env "
            "(`sightline cluster config` prints it)"
        )


def check_ongoing_limit(limits: CallLimits, max_ongoing_requests: int) -> None:
    """`ConfigError` when the encoder is deployed so that its batches could never fill."""
    if max_ongoing_requests < limits.max_ongoing_calls:
        raise ConfigError(
            f"the encoder's max_ongoing_requests must be at least {limits.max_ongoing_calls} with "
            f"cluster.batch_frames={limits.batch_frames}, got {max_ongoing_requests}: print the configuration "
            "anew with `sightline cluster config`"
        )
