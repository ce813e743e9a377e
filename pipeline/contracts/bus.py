"""What travels between processes, and the protocols of those who carry it.

Four topics, `{prefix}.frames`, `.candidates`, `.incidents` and `.dead-letters`, the first two keyed by camera so
that one camera's records keep their order. Every hop is at least once; ids are deterministic, so the visible
effect is once. Nothing on the bus is pickled: frames are JPEG with headers, the rest is JSON of the contracts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol

from pipeline.contracts.candidate import Candidate
from pipeline.contracts.frame import EncodedFrame
from pipeline.contracts.values import Contract


class Topic(StrEnum):
    """The topics by their role; a broker sees `{prefix}.{role}`."""

    FRAMES = "frames"
    CANDIDATES = "candidates"
    INCIDENTS = "incidents"
    DEAD_LETTERS = "dead-letters"


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: Topic
    number: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read."""

    partition: Partition
    offset: int
    key: str
    """`""` when there was none."""
    value: bytes
    published_at: datetime
    """When it was put on the bus (aware UTC): freshness and lag count from here, whatever the camera's clock says."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """UTF-8; the last one wins when a name comes twice."""
    is_replay: bool = False
    """Completed before, by this consumer or another one, and read again to rebuild state."""


@dataclass(frozen=True, slots=True)
class PublishedFrame:
    """A frame with where it comes from, as it stands on `frames`."""

    frame: EncodedFrame
    producer: str
    """The ingest process that published it: `{start, milliseconds since 1970}-{random}`. Later starts win: a camera
    read by two processes at once is followed from one of them only."""
    trace: str = ""
    """W3C `traceparent` of a frame that is traced; `""` of all others."""


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """A camera's stream is over for good (a file's end): what is open on it is to be closed."""

    camera_id: str
    producer: str


class CandidateMessage(Contract):
    """What stands on `candidates`: a candidate with the pictures that were kept for it."""

    schema_version: Literal[1] = 1
    candidate: Candidate
    will_verify: bool
    """Its rule asks for a verdict, and there is a model to give one."""
    snapshot_uri: str = ""
    clip_uri: str = ""
    """Set in a later message about the same candidate, once the seconds around it are over."""


class Publisher(Protocol):
    """Puts records on the bus. Thread-safe."""

    def publish(self, topic: Topic, key: str, value: bytes, headers: Mapping[str, str] | None = None) -> Future[None]:
        """The future is done once the record is durable on the broker.

        It fails with `TransientError` (broker away: try again) or `InvalidMessage` (too large). Raises
        `Overloaded` at once when the memory for unsent records is full.
        """
        ...

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was published is durable; False when time was up."""
        ...

    def close(self) -> None:
        """Send what is left, bounded; may be called twice."""
        ...


class RecordHandler(Protocol):
    """What a consumer does with its records. All three are called on the consumer's own thread: be quick."""

    def assigned(self, partitions: Collection[Partition]) -> None:
        """These are ours now. Their records follow, replayed ones first."""
        ...

    def handle(self, record: Record, done: Callable[[], None]) -> None:
        """One record, in order within its partition. Call `done` (any thread, once) when its output is durable.

        Replays are in hand like others until then: without it their partition would be paused for good.
        """
        ...

    def revoked(self, partitions: Collection[Partition], drain_seconds: float) -> None:
        """These are ours no longer: finish what is in hand within the bound, then drop their state.

        What is not done when this returns is handled again by the next owner.
        """
        ...
