"""Cameras that go from one watcher to another: nothing is told twice, nothing is left open or out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.contracts.bus import Partition, Topic
from pipeline.contracts.candidate import CandidateState
from pipeline.transport.codec import Wire
from tests.support.local import site_of
from tests.support.watcher import PARTITION, SCENE, START, Stand, moved, scene_frames, until, wires

REPLAYED = 160
"""Frames seen again: 20 s, what `rewind_seconds` asks for here."""


def successor(stand: Stand) -> Stand:
    """Another watcher on the same bus, database and evidence."""
    return Stand(stand.folder, site=stand.site, bus=stand.bus, known=stand.known, letters=stand.letters)


def take_over(stand: Stand, all_wires: Sequence[Wire], committed: int) -> Stand:
    """A second watcher sees the last frames before `committed` again and then the rest, to the end."""
    heir = successor(stand)
    with heir.running():
        heir.hand.give(all_wires[max(committed - REPLAYED, 0) : committed], is_replay=True)
        heir.hand.wait_for(heir.hand.give(all_wires[committed:]))
    return heir


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, CandidateState]]:
    """What one watcher tells that is left alone."""
    stand = Stand(tmp_path_factory.mktemp("undisturbed"))
    with stand.running():
        stand.hand.wait_for(stand.hand.give(wires(scene_frames())))
    return sorted(stand.bus.told())


@pytest.mark.parametrize("cut", [130, 170, 250])
def test_a_successor_goes_on_where_a_watcher_stopped(
    tmp_path: Path, undisturbed: list[tuple[str, CandidateState]], cut: int
) -> None:
    """Stopped after any frame, two watchers tell together what one would have: no id opens twice, all close."""
    stand, frames = Stand(tmp_path), wires(scene_frames())
    with stand.running():
        stand.hand.wait_for(stand.hand.give(frames[:cut]))
    take_over(stand, frames, cut)
    opened = stand.bus.opened_ids()
    assert len(set(opened)) == len(opened)
    assert sorted(stand.bus.told()) == undisturbed


@pytest.mark.parametrize("uncommitted", [10, 40])
def test_what_was_told_but_not_committed_is_not_told_again(
    tmp_path: Path, undisturbed: list[tuple[str, CandidateState]], uncommitted: int
) -> None:
    """A killed watcher has told more than it committed; its successor finds that on the bus."""
    stand, frames, cut = Stand(tmp_path), wires(scene_frames()), 230
    with stand.running():
        stand.hand.wait_for(stand.hand.give(frames[:cut]))
    take_over(stand, frames, cut - uncommitted)
    opened = stand.bus.opened_ids()
    assert len(set(opened)) == len(opened)
    assert sorted(stand.bus.told()) == undisturbed


def test_each_candidate_gets_one_clip(tmp_path: Path) -> None:
    """A clip whose seconds were not over is made by the successor, one that was made is not made again."""
    stand, frames = Stand(tmp_path), wires(scene_frames())
    with stand.running():
        stand.hand.wait_for(stand.hand.give(frames[:200]))
    take_over(stand, frames, 200)
    with_clip = [message.candidate.id for message in stand.bus.messages() if message.clip_uri]
    assert sorted(with_clip) == sorted(stand.bus.opened_ids())


def test_without_the_database_the_bus_says_what_was_told(
    tmp_path: Path, undisturbed: list[tuple[str, CandidateState]]
) -> None:
    """A database that is away at a takeover delays it by seconds; nothing is told twice."""
    stand, frames = Stand(tmp_path), wires(scene_frames())
    with stand.running():
        stand.hand.wait_for(stand.hand.give(frames[:200]))
    stand.known.is_away = True
    take_over(stand, frames, 200)
    assert sorted(stand.bus.told()) == undisturbed


def test_what_was_lost_is_neither_done_nor_told(tmp_path: Path) -> None:
    """Records of a revoked partition that the models still had are left to the next owner."""
    stand = Stand(tmp_path)
    stand.vision.gate.clear()
    with stand.running() as service:
        offsets = stand.hand.give(wires(scene_frames()))
        until(lambda: service.stats()["in_hand"] < len(offsets))
        done_before = set(stand.hand.done)
        stand.hand.revoke(0.0, PARTITION)
        stand.vision.gate.set()
        until(lambda: service.stats()["in_hand"] == 0)
        until(lambda: service.stats()["cameras"] == 0)
    assert stand.bus.messages() == []
    assert len(stand.hand.done) - len(done_before) <= 1  # the one the gate held in that moment


def test_what_is_in_hand_is_finished_before_a_partition_goes(tmp_path: Path) -> None:
    """Given time, a revocation waits for what the models have; what nobody looked at yet is not done."""
    stand = Stand(tmp_path)
    with stand.running() as service:
        offsets = stand.hand.give(wires(scene_frames(), ends=False))
        until(lambda: service.stats()["in_hand"] < len(offsets) - 50)
        stand.hand.revoke(20.0, PARTITION)
        assert service.stats()["in_hand"] == 0
    done = sorted(offset for _, offset in stand.hand.done)
    assert done == offsets[: len(done)]


def test_a_camera_that_comes_back_begins_afresh(tmp_path: Path, undisturbed: list[tuple[str, CandidateState]]) -> None:
    """A partition that goes and returns is a takeover from oneself: seen again, and nothing told twice."""
    stand, frames = Stand(tmp_path), wires(scene_frames())
    with stand.running():
        stand.hand.wait_for(stand.hand.give(frames[:200]))
        stand.hand.revoke(5.0, PARTITION)
        again = Partition(Topic.FRAMES, 0)
        stand.hand.give(frames[200 - REPLAYED : 200], again, is_replay=True)
        stand.hand.wait_for(stand.hand.give(frames[200:], again))
    assert sorted(stand.bus.told()) == undisturbed


def test_replayed_frames_are_not_in_the_ledger_twice(tmp_path: Path) -> None:
    """Sampling, perception and rules leave their decisions once, however often a frame is seen again."""
    stand, frames = Stand(tmp_path), wires(scene_frames()[:100], ends=False)
    with stand.running():
        stand.hand.wait_for(stand.hand.give(frames, is_replay=True))
    assert stand.counts.reasons() == {}


def test_cooldowns_go_on_from_the_last_alert(tmp_path: Path) -> None:
    """A rule that was told a moment before the first frame keeps silent here as it would have there."""
    stand = Stand(tmp_path, site=site_of(SCENE.replace("cooldown: 0s", "cooldown: 1h")))
    stand.known.alerts = {("yard", rule_id): START - timedelta(seconds=5) for rule_id in ("entry", "someone")}
    with stand.running():
        stand.hand.wait_for(stand.hand.give(wires(scene_frames())))
    assert stand.bus.told() == []
    assert stand.counts.reasons()["cooldown"] > 0


def test_a_stream_that_begins_again_is_another_stream(
    tmp_path: Path, undisturbed: list[tuple[str, CandidateState]]
) -> None:
    """After a stream's end the same camera starts afresh, with nothing open and with tracks of its own."""
    stand = Stand(tmp_path)
    with stand.running() as service:
        stand.hand.wait_for(stand.hand.give(wires(scene_frames())))
        later = moved(scene_frames(), 3600.0)
        stand.hand.wait_for(stand.hand.give(wires(later, producer="1772369999000-two")))
        until(lambda: service.stats()["cameras"] == 0)
    assert sorted(stand.bus.told()) == sorted(undisturbed * 2)
    assert len(set(stand.bus.opened_ids())) == len(undisturbed)


@pytest.mark.parametrize("cut", [150, 180])
def test_a_streams_end_in_the_replay_ends_nothing_of_the_next(tmp_path: Path, cut: int) -> None:
    """What is open in the stream that follows is known when that one is reached."""
    stand, undisturbed = Stand(tmp_path / "disturbed"), Stand(tmp_path / "undisturbed")
    first = wires(moved(scene_frames()[:40], -60.0), producer="1000-one")
    frames = [*first, *wires(scene_frames(), producer="2000-two")]
    for each, until_frame in ((undisturbed, None), (stand, len(first) + cut)):
        with each.running():
            each.hand.wait_for(each.hand.give(frames[:until_frame]))
    heir = successor(stand)
    with heir.running():
        heir.hand.give(frames[: len(first) + cut], is_replay=True)
        heir.hand.wait_for(heir.hand.give(frames[len(first) + cut :]))
    assert sorted(stand.bus.opened_ids()) == sorted(undisturbed.bus.opened_ids())
    assert sorted(stand.bus.told()) == sorted(undisturbed.bus.told())
