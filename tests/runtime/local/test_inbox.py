"""The inbox between camera threads and the perceiving thread."""

from __future__ import annotations

import threading

from pipeline.runtime.local.inbox import EndOfStream, FairInbox


def item(camera_id: str) -> EndOfStream:
    return EndOfStream(camera_id)


def test_cameras_are_served_in_turn() -> None:
    """A camera with a full queue does not keep a quiet one waiting."""
    inbox = FairInbox(("busy", "quiet"), 8)
    for _ in range(8):
        inbox.put("busy", item("busy"))
    inbox.put("quiet", item("quiet"))
    assert item("quiet") in inbox.take(2, 0.0)


def test_a_live_camera_drops_its_own_oldest() -> None:
    """`put_latest` never waits, and never pushes out another camera's item."""
    inbox = FairInbox(("a", "b"), 1)
    inbox.put("b", item("b"))
    assert inbox.put_latest("a", item("a")) is None
    assert inbox.put_latest("a", item("a")) == item("a")
    assert len(inbox) == 2


def test_put_waits_for_room() -> None:
    """A file's reader is held up, not its frames dropped, until the other side takes one."""
    inbox = FairInbox(("a",), 1)
    inbox.put("a", item("a"))
    done = threading.Event()
    writer = threading.Thread(target=lambda: (inbox.put("a", item("a")), done.set()))
    writer.start()
    assert not done.wait(0.05)
    assert len(inbox.take(1, 0.0)) == 1
    writer.join(5)
    assert done.is_set()
    assert len(inbox) == 1


def test_take_wakes_for_a_late_item() -> None:
    """Waiting for items ends as soon as one is put, by whichever camera."""
    inbox = FairInbox(("a", "b"), 1)
    writer = threading.Timer(0.05, inbox.put, ("b", item("b")))
    writer.start()
    assert inbox.take(4, 10.0) == [item("b")]
    writer.join()


def test_close_releases_whoever_waits() -> None:
    """After `close`, a waiting writer is told that its item was not taken."""
    inbox = FairInbox(("a",), 1)
    inbox.put("a", item("a"))
    answers: list[bool] = []
    writer = threading.Thread(target=lambda: answers.append(inbox.put("a", item("a"))))
    writer.start()
    inbox.close()
    writer.join(5)
    assert answers == [False]
    assert len(inbox.take(8, 0.0)) == 1
    assert inbox.take(8, 0.0) == []
