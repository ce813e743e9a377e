"""Records between the consumer's thread and the gate: in turn by camera, and counted until done."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from pipeline.contracts.bus import Partition, Record, Topic
from pipeline.runtime.watcher.intake import Intake

ONE, TWO = Partition(Topic.FRAMES, 1), Partition(Topic.FRAMES, 2)


def record(key: str, offset: int = 0, partition: Partition = ONE) -> Record:
    return Record(partition, offset, key, b"", datetime(2026, 1, 1, tzinfo=UTC))


def nothing() -> None: ...


def test_a_busy_camera_does_not_crowd_out_a_quiet_one() -> None:
    """Cameras are taken in turn, each one's records in order."""
    intake = Intake()
    intake.assigned([ONE])
    for offset in range(4):
        intake.handle(record("busy", offset), nothing)
    intake.handle(record("quiet", 4), nothing)
    taken = [intake.take(0.0) for _ in range(5)]
    assert [item.record.offset for item in taken if item] == [0, 4, 1, 2, 3]


def test_take_wakes_for_a_late_record() -> None:
    """Waiting ends as soon as a record comes."""
    intake = Intake()
    intake.assigned([ONE])
    writer = threading.Timer(0.05, intake.handle, (record("yard"), nothing))
    writer.start()
    assert intake.take(10.0) is not None
    writer.join()


def test_what_waits_for_a_lost_partition_is_dropped() -> None:
    """It is not done, and no longer in hand; other partitions' records stay."""
    intake, done = Intake(), list[str]()
    intake.assigned([ONE, TWO])
    intake.handle(record("yard"), lambda: done.append("yard"))
    intake.handle(record("hall", partition=TWO), lambda: done.append("hall"))
    intake.revoked([ONE], 10.0)
    item = intake.take(0.0)
    assert item is not None
    item.done()
    assert (done, intake.num_in_hand, intake.take(0.0)) == (["hall"], 0, None)


def test_done_after_the_partition_was_lost_is_not_told() -> None:
    """The consumer hears nothing of a record whose partition is another member's; the count is right."""
    intake, done = Intake(), list[str]()
    intake.assigned([ONE])
    intake.handle(record("yard"), lambda: done.append("yard"))
    item = intake.take(0.0)
    assert item is not None
    intake.revoked([ONE], 0.0)
    item.done()
    assert (done, intake.num_in_hand, item.assignment.is_revoked) == ([], 0, True)
