"""Where the consumer's thread hands its records to the gate, and where it is known what is in hand.

Records wait by key (their camera) and are taken from each key in turn, so that a busy camera cannot crowd out a
quiet one. Nothing here needs a bound of its own: the consumer pauses a partition that has `bus.in_flight` records
in hand, and a record is in hand until it is done.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection

from pipeline.contracts.bus import Partition, Record


class Assignment:
    """A partition for as long as it is ours; one that comes back is another assignment."""

    __slots__ = ("is_covered", "is_revoked", "num_in_hand", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        """Counts assignments from 1."""
        self.is_covered = False
        """What earlier owners told of its cameras is known; for the gate's thread."""
        self.is_revoked = False
        """Whatever is still under way for it is the next owner's: no longer told, no longer done."""
        self.num_in_hand = 0


class RecordInHand:
    """A record between being handed over and being done."""

    __slots__ = ("_done", "_intake", "assignment", "record")

    def __init__(self, record: Record, assignment: Assignment, done: Callable[[], None], intake: Intake) -> None:
        self.record = record
        self.assignment = assignment
        self._done = done
        self._intake = intake

    def done(self) -> None:
        """All it caused is durable. Any thread, once."""
        if not self.assignment.is_revoked:
            self._done()
        self._intake.let_go(self.assignment)


class Intake:
    """A `RecordHandler`: its three methods are called by the consumer's thread, `take` by the gate's."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self._has_news = threading.Condition(lock)
        self._has_less = threading.Condition(lock)
        self._assignments: dict[Partition, Assignment] = {}
        self._queues: dict[str, deque[RecordInHand]] = {}
        self._turn: deque[str] = deque()
        """Keys with records waiting, the next one first."""
        self._num_in_hand = 0
        self.num_assigned = 0
        """Assignments so far."""
        self.num_revoked = 0
        """Assignments that are over."""

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Remember that they are ours."""
        with self._has_news:
            for partition in partitions:
                self.num_assigned += 1
                self._assignments[partition] = Assignment(self.num_assigned)

    def handle(self, record: Record, done: Callable[[], None]) -> None:
        """Keep it until the gate takes it."""
        with self._has_news:
            assignment = self._assignments[record.partition]
            assignment.num_in_hand += 1
            self._num_in_hand += 1
            queue = self._queues.get(record.key)
            if queue is None:
                queue = self._queues[record.key] = deque()
                self._turn.append(record.key)
            queue.append(RecordInHand(record, assignment, done, self))
            self._has_news.notify()

    def revoked(self, partitions: Collection[Partition], drain_seconds: float) -> None:
        """What nobody has looked at yet is the next owner's; wait, bounded, for what somebody has."""
        with self._has_less:
            leaving = [self._assignments.pop(partition) for partition in partitions if partition in self._assignments]
            self._drop_waiting(leaving)
            self._has_less.wait_for(lambda: not any(each.num_in_hand for each in leaving), max(drain_seconds, 0.0))
            for assignment in leaving:
                assignment.is_revoked = True
            self.num_revoked += len(leaving)

    def take(self, timeout_seconds: float) -> RecordInHand | None:
        """The next record, of each key in turn; None when time is up."""
        with self._has_news:
            if not self._turn:
                self._has_news.wait(timeout_seconds)
            if not self._turn:
                return None
            key = self._turn.popleft()
            queue = self._queues[key]
            item = queue.popleft()
            if queue:
                self._turn.append(key)
            else:
                del self._queues[key]
            return item

    def let_go(self, assignment: Assignment) -> None:
        """A record of it is no longer in hand."""
        with self._has_less:
            assignment.num_in_hand -= 1
            self._num_in_hand -= 1
            if not assignment.num_in_hand:
                self._has_less.notify_all()

    @property
    def num_in_hand(self) -> int:
        """Records that are not done yet, those of partitions that are no longer ours included."""
        return self._num_in_hand

    def _drop_waiting(self, leaving: Collection[Assignment]) -> None:
        for key in list(self._queues):
            kept = deque(item for item in self._queues[key] if item.assignment not in leaving)
            for item in self._queues[key]:
                if item.assignment in leaving:
                    item.assignment.num_in_hand -= 1
                    self._num_in_hand -= 1
            if kept:
                self._queues[key] = kept
            else:
                del self._queues[key]
                self._turn.remove(key)
