"""What watchers keep of what cameras saw, to be searched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.clock import SystemClock
from pipeline.contracts.frame import SampledFrame
from pipeline.contracts.observation import Sight
from pipeline.errors import InvalidMessage
from pipeline.runtime.embeddings import EmbeddingWriter
from pipeline.telemetry import Metrics
from tests.support.local import site_of
from tests.support.vectors import SPACE, MemoryVectors, unit
from tests.support.watcher import SCENE, MovingVision, Stand, scene_frames, wires


class SeeingVision(MovingVision):
    """With an encoder to which everything looks the same, whose name is known once it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.model_ids: Mapping[str, str] = {}

    def warm_up(self) -> None:
        super().warm_up()
        self.model_ids = {"detector": "motion", "encoder": SPACE}

    def see(self, frames: Sequence[SampledFrame]) -> list[Sight | InvalidMessage]:
        sights = super().see(frames)
        return [replace(one, embedding=unit(1, 0)) if isinstance(one, Sight) else one for one in sights]


def stand_with(store: MemoryVectors, folder: Path) -> Stand:
    stand = Stand(folder, vision=SeeingVision())
    stand.looks = EmbeddingWriter(
        store, lambda: stand.vision.model_ids["encoder"], site_of(SCENE), Metrics(), SystemClock()
    )
    return stand


def test_a_watcher_keeps_moments(tmp_path: Path) -> None:
    """One a second at most, in the encoder's space, durable once it has stopped."""
    store = MemoryVectors()
    stand = stand_with(store, tmp_path)
    with stand.running():
        stand.hand.wait_for(stand.hand.give(wires(scene_frames())))
    seconds = [math.floor(one.captured_at.timestamp()) for one in store.kept if not one.incident_id]
    assert len(seconds) == len(set(seconds)) > 5
    assert {one.model_id for one in store.kept} == {SPACE}


def test_what_is_only_read_again_is_not_kept_again(tmp_path: Path) -> None:
    """Frames that rebuild the state of a camera taken over were kept by the watcher before."""
    store = MemoryVectors()
    stand = stand_with(store, tmp_path)
    with stand.running():
        stand.hand.wait_for(stand.hand.give(wires(scene_frames(), ends=False), is_replay=True))
    assert store.kept == []
