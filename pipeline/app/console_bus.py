"""What a console beside a cluster reads of its bus: the newest pictures, and the dead letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.clock import Clock
from pipeline.console.host import LatestFrame
from pipeline.contracts.bus import PublishedFrame, Record, Topic
from pipeline.contracts.frame import EncodedFrame
from pipeline.errors import InvalidMessage
from pipeline.settings import BusSettings
from pipeline.transport.codec import read_frame_record
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.newest import NewestRecords
from pipeline.transport.redrive import BEGINNING, chosen, list_dead_letters, redrive


class BusCameras:
    """`LiveCameras` from the topic `frames`: masks are burnt in before a frame comes there. What was found in a
    picture is known to the watchers alone."""

    def __init__(self, settings: BusSettings, clock: Clock) -> None:
        """Touches no network; `ConfigError` for settings that cannot work."""
        self._max_bytes = settings.max_message_bytes
        self._records = NewestRecords(KafkaBus(settings, "console"), Topic.FRAMES, clock)

    def latest(self, camera_id: str) -> LatestFrame | None:
        """The newest picture, at most a second old by the bus; `TransientError` while that is away."""
        frame = self._frame(self._records.newest(camera_id))
        return LatestFrame(frame.jpeg, frame.captured_at) if frame is not None else None

    def taken_at(self, camera_id: str) -> datetime | None:
        """When the newest picture was taken, where somebody looks at the camera now; None otherwise."""
        frame = self._frame(self._records.at_hand(camera_id))
        return frame.captured_at if frame is not None else None

    def close(self) -> None:
        """Let go of the bus; may be called twice."""
        self._records.close()

    def _frame(self, record: Record | None) -> EncodedFrame | None:
        """None also for what is no frame of ours: the watchers set that aside, and say so."""
        try:
            found = read_frame_record(record, self._max_bytes) if record is not None else None
        except InvalidMessage:
            return None
        return found.frame if isinstance(found, PublishedFrame) else None


class BusLetters:
    """`Letters` of the topic `dead-letters`."""

    def __init__(self, settings: BusSettings) -> None:
        """Touches no network; `ConfigError` for settings that cannot work."""
        self._bus = KafkaBus(settings, "console-letters")

    def dead(self, since: datetime | None) -> Sequence[Mapping[str, Any]]:
        """Those set aside then or later, oldest first."""
        return [letter.for_script() for letter in list_dead_letters(self._bus, since or BEGINNING)]

    def redrive(self, ids: Sequence[str] | None) -> Sequence[Mapping[str, Any]]:
        """Send them, or all that were not yet, again."""
        wanted = chosen(list_dead_letters(self._bus), ids)
        publisher = self._bus.publisher()
        try:
            return [{"id": one.letter.id, "problem": one.problem} for one in redrive(self._bus, publisher, wanted)]
        finally:
            publisher.close()
