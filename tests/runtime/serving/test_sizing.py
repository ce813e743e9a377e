"""What follows from the size of a batch."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.runtime.serving.sizing import (
    MESSAGE_VARIABLE,
    CallLimits,
    call_limits,
    check_message_limit,
    check_ongoing_limit,
)
from pipeline.settings import BusSettings, ClusterSettings


def limits(batch_frames: int = 32, **bus: Any) -> CallLimits:
    return call_limits(ClusterSettings(batch_frames=batch_frames), BusSettings(**bus))


@pytest.mark.parametrize("batch_frames", [1, 8, 512])
def test_a_replica_takes_enough_calls_for_its_batches(batch_frames: int) -> None:
    """Were every call of a single frame, two batches are at work and a third fills: Ray's default of 5 starves them."""
    assert limits(batch_frames).max_ongoing_calls >= 3 * batch_frames


def test_more_replicas_are_wanted_before_one_is_full() -> None:
    """Two batches keep it at work; one and a half in hand already ask for help."""
    assert limits().target_ongoing_frames == 1.5 * 32


def test_a_message_carries_the_largest_frame_the_bus_lets_through() -> None:
    """A frame of the bus's limit goes alone in a call, with what stands around it."""
    assert limits(max_message_bytes=100_000_000).message_bytes > 100_000_000


def test_a_message_carries_a_full_call() -> None:
    """32 pictures of 512 kB with their numbers."""
    assert limits().message_bytes > 32 * 524_288 + 32 * 5_000


@pytest.mark.parametrize("given", ["", "4194304", "a lot"])
def test_a_replica_refuses_messages_that_are_too_short(given: str) -> None:
    """The variable missing, at Ray's default, or nonsense: the message names it and what it must be."""
    with pytest.raises(ConfigError, match=rf"{MESSAGE_VARIABLE} must be at least {limits().message_bytes}"):
        check_message_limit(limits(), {MESSAGE_VARIABLE: given} if given else {})


def test_a_longer_message_is_no_fault() -> None:
    """More than needed may be given."""
    check_message_limit(limits(), {MESSAGE_VARIABLE: str(limits().message_bytes + 1)})


def test_an_encoder_with_rays_default_is_refused() -> None:
    """Five calls at once would never fill a batch."""
    with pytest.raises(ConfigError, match="max_ongoing_requests must be at least 96"):
        check_ongoing_limit(limits(), 5)
