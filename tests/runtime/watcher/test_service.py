"""Watchers, driven by hand: what they tell, what they set aside, and what they do when others are away."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.bus import Partition, Topic
from pipeline.contracts.candidate import CandidateState
from pipeline.contracts.decision import Gate
from pipeline.errors import Overloaded, StageFailed, TransientError
from pipeline.runtime.watcher.service import WatcherService
from pipeline.sampling.thinning import Thinning
from pipeline.settings import SamplingSettings
from pipeline.transport.codec import Wire
from tests.support.local import incidents_of, run_site, site_of
from tests.support.watcher import NEVER_LATE, SCENE, START, Stand, moved, scene_frames, until, wires


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    """A watcher of one camera, everything it needs at hand."""
    return Stand(tmp_path)


def test_it_tells_what_one_machine_tells(tmp_path: Path) -> None:
    """The same scene through the bus and through one process: the same candidates by id, opened and closed."""
    site = site_of(SCENE)
    run_site(site, tmp_path / "local", start_at=START)
    incidents = incidents_of(site, tmp_path / "local")
    stand = Stand(tmp_path)
    thinning = Thinning.of(site.cameras[0].sampling, SamplingSettings())
    published = filter(thinning.take, scene_frames(quality=SamplingSettings().jpeg_quality))
    with stand.running():
        stand.hand.wait_for(stand.hand.give(wires(published)))
    assert sorted(stand.bus.opened_ids()) == sorted(incident.id for incident in incidents)
    assert all(incident.closed_at for incident in incidents)
    assert [state for _, state in stand.bus.told()].count(CandidateState.CLOSED) == len(incidents)


def test_candidates_come_with_pictures_and_a_clip(stand: Stand) -> None:
    """Key frames and snapshot are kept before the candidate is told; the clip follows in a message of its own."""
    with stand.running():
        stand.hand.wait_for(stand.hand.give(wires(scene_frames())))
    messages = [message for message in stand.bus.messages() if message.candidate.rule_id == "entry"]
    folder = stand.folder / "evidence"
    opened, clip = messages[0], next(message for message in messages if message.clip_uri)
    assert (folder / opened.snapshot_uri).read_bytes()[:2] == b"\xff\xd8"
    assert all((folder / frame.uri).is_file() for frame in opened.candidate.key_frames)
    assert b"ftyp" in (folder / clip.clip_uri).read_bytes()[:16]
    assert (clip.candidate.id, opened.clip_uri) == (opened.candidate.id, "")


def test_a_stream_that_follows_at_once_takes_no_pictures_away(tmp_path: Path) -> None:
    """The gate is at a camera's next stream while the rules are still at the one before: each keeps its pictures."""
    stand = Stand(tmp_path, settings={"bus": NEVER_LATE, "cluster": {"batch_frames": 512, "batch_wait": 2.0}})
    with stand.running():
        for seconds in (0, 3600):
            offsets = stand.hand.give(wires(moved(scene_frames()[110:190], seconds)))
        stand.hand.wait_for(offsets)
    messages = stand.bus.messages()
    assert len(set(stand.bus.opened_ids())) > 1
    assert all(frame.uri for message in messages for frame in message.candidate.key_frames)
    with_clip = [message.candidate.id for message in messages if message.clip_uri]
    assert sorted(with_clip) == sorted(stand.bus.opened_ids())


def test_a_record_is_done_only_once_its_candidates_are_durable(stand: Stand) -> None:
    """While the broker owes its acknowledgement, the frame that caused a candidate is not done; then it is."""
    stand.bus.is_silent = True
    with stand.running():
        offsets = stand.hand.give(wires(scene_frames(), ends=False))
        until(lambda: len(stand.bus.records) == 1)
        until(lambda: sum(stand.hand.are_done([offset]) for offset in offsets) > len(offsets) - 20)
        assert not stand.hand.are_done(offsets)
        stand.bus.answer()
        stand.hand.wait_for(offsets)


def test_opened_comes_before_closed_however_often_the_broker_fails(stand: Stand) -> None:
    """Candidates of a camera keep their order through failures, and none is lost."""
    stand.bus.is_away = True
    with stand.running():
        offsets = stand.hand.give(wires(scene_frames()))
        until(lambda: stand.bus.num_tries >= 3)
        stand.bus.is_away = False
        stand.hand.wait_for(offsets)
    for rule_id in ("entry", "someone"):
        states = [state for rule, state in stand.bus.told() if rule == rule_id]
        assert states == [CandidateState.OPENED, CandidateState.CLOSED] * (len(states) // 2)
        assert states


@pytest.mark.parametrize("fault", [TransientError("the encoder is away"), Overloaded("the encoder is full")], ids=str)
def test_models_that_are_away_lose_nothing(stand: Stand, fault: Exception) -> None:
    """Frames wait while nobody sees them, the service stays healthy, and what they show is told in the end."""
    stand.vision.fails_with = fault
    with stand.running() as service:
        offsets = stand.hand.give(wires(scene_frames()))
        until(lambda: stand.vision.num_failed >= 3)
        service.check_health()
        assert not stand.hand.are_done(offsets)
        stand.vision.fails_with = None
        stand.hand.wait_for(offsets)
    assert {rule for rule, _ in stand.bus.told()} == {"entry", "someone"}


POISON = {
    "without headers": "headers",
    "of another schema": "schema",
    "of a camera nobody configured": "no camera 'attic'",
    "no JPEG": "JPEG",
    "a JPEG that cannot be decoded": "JPEG",
    "too large": "at most",
}
"""Kinds of records that can never be handled, and a word of the reason."""


def poison(kind: str) -> Wire:
    """A frame, but …"""
    key, value, headers = wires(scene_frames()[:1], ends=False)[0]
    match kind:
        case "without headers":
            return Wire(key, value, {})
        case "of another schema":
            return Wire(key, value, headers | {"schema": "frame/2"})
        case "of a camera nobody configured":
            return Wire("attic", value, headers | {"camera": "attic"})
        case "no JPEG":
            return Wire(key, b"GIF89a", headers)
        case "too large":
            return Wire(key, value[:-2] + bytes(5_000_000) + value[-2:], headers)
        case _:
            return Wire(key, value[:4] + bytes(200) + value[-2:], headers)


@pytest.mark.parametrize("kind", POISON)
def test_what_can_never_be_handled_becomes_one_dead_letter(stand: Stand, kind: str) -> None:
    """With its origin and a reason; the frames around it go on."""
    good = wires(scene_frames()[:20])
    with stand.running():
        stand.hand.wait_for(stand.hand.give([*good[:10], poison(kind), *good[10:]]))
    ((record, reason, stage),) = stand.letters.letters
    assert (record.partition, record.offset, stage) == (Partition(Topic.FRAMES, 0), 10, "watchers")
    assert POISON[kind] in reason
    looked_at = [count for count in stand.counts.counts if count.gate is Gate.SAMPLING]
    assert sum(count.count for count in looked_at) == 20


def test_a_frame_the_models_refuse_becomes_a_dead_letter(stand: Stand) -> None:
    """It fails alone; what surrounds it is perceived."""
    stand.vision.refuses = frozenset({0})
    with stand.running():
        stand.hand.wait_for(stand.hand.give(wires(scene_frames())))
    assert stand.reasons() == ["too strange a picture"]
    assert {rule for rule, _ in stand.bus.told()} == {"entry", "someone"}


def test_a_dead_letter_is_durable_before_its_record_is_done(stand: Stand) -> None:
    """A broker that is away delays it; the record is not done before."""
    stand.letters.is_away = True
    with stand.running():
        (offset,) = stand.hand.give([poison("without headers")])
        good = stand.hand.give(wires(scene_frames()[:5], ends=False))
        stand.hand.wait_for(good)
        assert not stand.hand.are_done([offset])
        stand.letters.is_away = False
        stand.hand.wait_for([offset])
    assert len(stand.letters.letters) == 1


def test_late_frames_are_thinned_and_the_ledger_says_so(stand: Stand) -> None:
    """Frames that stay older than `late_after` are sampled more seldom, as `overloaded`."""
    stand.clock = clock = ManualClock(datetime.now(UTC))
    stand.settings = {}
    frames = wires(scene_frames(), ends=False)
    with stand.running() as service:
        for part in (frames[:2], frames[2:4], frames[4:6], frames[6:8], frames[8:]):
            stand.hand.wait_for(stand.hand.give(part, published_at=clock.now() - timedelta(seconds=50)))
            clock.advance(6.0)
        assert service.stats()["late_level"] == 1.0
    reasons = stand.counts.reasons()
    assert reasons["overloaded"] > 4 * (reasons["motion"] + reasons.get("active", 0))


def test_frames_too_late_are_dropped_done_and_told(stand: Stand) -> None:
    """Frames older than `fresh_for` reach no model; the ledger and the metrics count each."""
    stand.settings = {}
    with stand.running() as service:
        frames = wires(scene_frames()[:30], ends=False)
        stand.hand.wait_for(stand.hand.give(frames, published_at=datetime.now(UTC) - timedelta(seconds=400)))
        assert service.stats()["late_level"] == 2.0
    assert stand.vision.batches == []
    assert stand.counts.reasons() == {"too late": 30}
    labels = {"camera": "yard", "reason": "too late"}
    assert stand.metrics.registry.get_sample_value("sightline_frames_dropped_total", labels) == 30


def test_of_two_producers_the_later_start_is_followed(stand: Stand) -> None:
    """Frames of the process that started earlier are dropped and counted, whoever comes first."""
    frames = scene_frames()[:20]
    with stand.running():
        old = wires(frames, ends=False, producer="1000-old")
        new = wires(frames, ends=False, producer="2000-new")
        mixed = [wire for pair in zip(old, new, strict=True) for wire in pair]
        stand.hand.wait_for(stand.hand.give(mixed))
    labels = {"camera": "yard", "reason": "overtaken producer"}
    assert stand.metrics.registry.get_sample_value("sightline_frames_dropped_total", labels) == 19


def test_a_recording_that_is_read_again_goes_on_where_it_had_come(stand: Stand, tmp_path: Path) -> None:
    """Ingest that was killed reads a file from its beginning: what was seen is passed over, nothing is told twice."""
    whole = Stand(tmp_path / "whole")
    with whole.running():
        whole.hand.wait_for(whole.hand.give(wires(scene_frames())))
    with stand.running():
        stand.hand.give(wires(scene_frames()[:200], ends=False, producer="1000-old"))
        stand.hand.wait_for(stand.hand.give(wires(scene_frames(), producer="2000-new")))
    assert stand.bus.told() == whole.bus.told()
    assert sorted(stand.bus.opened_ids()) == sorted(whole.bus.opened_ids())


def test_batches_go_across_cameras(tmp_path: Path) -> None:
    """Frames of several cameras reach the models in one call, at most `batch_frames` at once."""
    hall = "  - {id: hall, url: hall.mp4, zones: {fence: [[0, 0], [1, 0], [1, 1]]}}"
    site = site_of(SCENE.replace("rules:", f"{hall}\nrules:"))
    stand = Stand(tmp_path, site=site, settings={"cluster": {"batch_frames": 4, "batch_wait": 5.0}})
    with stand.running():
        for camera_id in ("yard", "hall"):
            stand.hand.give(wires(scene_frames(camera_id), ends=False))
        until(lambda: sum(stand.vision.batches) > 60)
    assert max(stand.vision.batches) == 4
    assert stand.vision.batches.count(4) > 10


def test_frames_gather_while_a_call_is_under_way(stand: Stand) -> None:
    """They would only wait behind it: the next call has all that came meanwhile."""
    stand.vision.gate.clear()
    records = wires(scene_frames()[:60], ends=False)
    with stand.running():
        given = stand.hand.give(records[:5])
        for at in range(5, 60, 11):
            time.sleep(0.1)  # several times `cluster.batch_wait`
            given += stand.hand.give(records[at : at + 11])
        until(lambda: num_looked_at(stand) == len(given))
        stand.vision.gate.set()
        stand.hand.wait_for(given)
    assert len(stand.vision.batches) <= 2 < sum(stand.vision.batches)


def num_looked_at(stand: Stand) -> float:
    """Frames of which the gate has decided."""
    counters = ("sightline_frames_sampled_total", "sightline_frames_skipped_total")
    samples = [sample for family in stand.metrics.registry.collect() for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name in counters)


def failure_of(service: WatcherService) -> str:
    """What the health check says; nothing for a healthy service."""
    try:
        service.check_health()
    except StageFailed as error:
        return str(error)
    return ""


def test_a_hanging_model_shows_in_the_health(stand: Stand) -> None:
    """A call that does not come back within `poll_stale_after` is a reason to restart, in words."""
    stand.clock = clock = ManualClock(datetime.now(UTC))
    stand.vision.gate.clear()
    with stand.running(drain_seconds=0.0) as service:
        stand.hand.give(wires(scene_frames()[:1], ends=False))
        until(lambda: service.stats()["in_hand"] == 1.0)
        assert failure_of(service) == ""
        until(lambda: clock.advance(10.0) or "the vision-" in failure_of(service))


def test_a_dead_thread_shows_in_the_health(stand: Stand) -> None:
    """An error nobody expected ends a thread, and the health says which and of what."""
    stand.vision.fails_with = StageFailed("the model has lost its mind")
    with stand.running(drain_seconds=0.0) as service:
        stand.hand.give(wires(scene_frames()[:1], ends=False))
        until(lambda: "lost its mind" in failure_of(service))
        assert "the vision-" in failure_of(service)


def test_an_idle_watcher_is_healthy_for_ever(stand: Stand) -> None:
    """Without frames nothing turns, and nothing is wrong with that."""
    stand.clock = clock = ManualClock(datetime.now(UTC))
    with stand.running() as service:
        stand.hand.wait_for(stand.hand.give(wires(scene_frames()[:3], ends=False)))
        clock.advance(3600.0)
        until(lambda: failure_of(service) == "")
