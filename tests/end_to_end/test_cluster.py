"""The same clips through one machine and through a cluster: the same incidents, and the same told of them.

The cluster's services run in this process, on a real broker, as `sightline ingest` and Ray Serve build them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka import KafkaProducer

from pipeline.app.stores import open_stores
from pipeline.contracts.bus import Topic
from pipeline.contracts.incident import Incident, IncidentFilter, IncidentStatus
from pipeline.scenes import open_scene
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.transport.kafka import KafkaBus
from pipeline.transport.redrive import list_dead_letters
from tests.support.broker import running_broker
from tests.support.cluster import cluster_settings, run_cluster
from tests.support.consuming import bus_of
from tests.support.local import run_site, settings_of, site_of
from tests.support.model_server import judge
from tests.support.receiver import Receiver
from tests.support.store import PostgresServer
from tests.support.watcher import scene_frames, wires

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
START = datetime(2026, 5, 1, 12, tzinfo=UTC)
ROI = [[0.49297, 0.73889], [0.65703, 0.73889], [0.65703, 0.91528], [0.49297, 0.91528]]
"""The region of interest of the traffic camera; see test_clips.py."""


@pytest.fixture(scope="module")
def broker() -> Iterator[int]:
    with running_broker() as port:
        yield port


@dataclass(frozen=True)
class Case:
    """Cameras and rules, as in a site file."""

    cameras: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    detector: str = "motion"
    vlm: str = "none"

    def site(self, receiver: Receiver) -> Site:
        """With one channel."""
        channels = {"guards": {"webhook": receiver.url, "allow_private": True}}
        models = {"detector": self.detector, "vlm": self.vlm}
        document = {"models": models, "cameras": self.cameras, "rules": self.rules, "channels": channels}
        return site_of(yaml.safe_dump(document))


@dataclass(frozen=True)
class Told:
    """What one runtime made of a case."""

    incidents: dict[str, Incident]
    """By id."""
    changes: set[tuple[str, str]]
    """(incident, kind) of everything the receiver was told."""

    def lives(self) -> list[tuple[str, str, datetime, datetime | None, IncidentStatus]]:
        """(id, rule, opened, ended, final status) of each, by id."""
        return [
            (one.id, one.rule_id, one.opened_at, one.candidate.ended_at, one.status)
            for _, one in sorted(self.incidents.items())
        ]


def on_one_machine(case: Case, folder: Path) -> Told:
    with Receiver() as receiver:
        site = case.site(receiver)
        run_site(site, folder, start_at=START)
        return told(settings_of(site, folder), receiver)


def on_a_cluster(case: Case, folder: Path, broker: int, prefix: str, **settings: Any) -> Told:
    with Receiver() as receiver:
        site = case.site(receiver)
        given = cluster_settings(site, folder, broker, prefix, **settings)
        run_cluster(site, given, START)
        return told(given, receiver)


def told(settings: Settings, receiver: Receiver) -> Told:
    stores = open_stores(settings)
    try:
        incidents = {one.id: one for one in stores.incidents.find(IncidentFilter(limit=1000))}
    finally:
        stores.close()
    changes = [request.json for request in receiver.received]
    return Told(incidents, {(change["subject"], change["type"]) for change in changes})


def same(case: Case, folder: Path, broker: int, prefix: str, **settings: Any) -> Told:
    """Run both, hold them against each other, and give back what the cluster told."""
    local = on_one_machine(case, folder / "local")
    cluster = on_a_cluster(case, folder / "cluster", broker, prefix, **settings)
    num_equal = len(local.incidents.keys() & cluster.incidents.keys())
    print(f"{prefix}: local {len(local.incidents)}, cluster {len(cluster.incidents)}, equal ids {num_equal}")
    assert cluster.lives() == local.lives()
    assert cluster.changes == local.changes
    return cluster


def scene(name: str, fps: int) -> dict[str, Any]:
    """A minute of a rendered scene with its own zones and lines."""
    rendered = open_scene(name, seconds=60)
    return {
        "id": name,
        "url": f"synthetic:{name}?seconds=60&fps={fps}",
        "zones": {zone: [list(point) for point in points] for zone, points in rendered.zones.items()},
        "lines": {line: [list(point) for point in points] for line, points in rendered.lines.items()},
    }


def rule(name: str, of: str = "any", **track: Any) -> dict[str, Any]:
    return {"id": name, "track": {"object": of, **track}, "cooldown": 0}


@pytest.mark.postgres
def test_scenes_with_verdicts(broker: int, tmp_path: Path, postgres: PostgresServer) -> None:
    """Two cameras of 25 and 12 frames a second, a judge, PostgreSQL: the same ids, times and verdicts."""
    rules = [
        {**rule("entry", enters="fence"), "cameras": ["yard"]},
        {**rule("crossing", crosses="middle"), "cameras": ["street"]},
        {**rule("staying", inside="crossing", longer_than="3s"), "cameras": ["street"]},
        rule("someone", count_above=0),
    ]
    with Receiver(otherwise=judge(0.95)) as vlm:
        case = Case([scene("yard", 25), scene("street", 12)], rules, vlm=f"openai:http://127.0.0.1:{vlm.port}/v1#judge")
        found = same(case, tmp_path, broker, "scenes", database_url=postgres.new_database("migrated"))
    assert {one.rule_id for one in found.incidents.values()} == {"entry", "crossing", "staying", "someone"}
    assert {one.status for one in found.incidents.values()} == {IncidentStatus.CONFIRMED}
    assert all(one.snapshot_uri and one.clip_uri for one in found.incidents.values())


@pytest.mark.shared
def test_a_traffic_camera(broker: int, tmp_path: Path, shared: Path) -> None:
    """A real clip of 25 frames a second and no models: its three motion events, at the same moments."""
    clip = {"id": "clip", "url": str(shared / "videos" / "dvrscan_traffic_camera.mp4"), "zones": {"roi": ROI}}
    found = same(Case([clip], [rule("motion", inside="roi")]), tmp_path, broker, "traffic")
    assert len(found.incidents) == 3


@pytest.mark.shared
def test_people_with_a_detector(broker: int, tmp_path: Path, shared: Path) -> None:
    """YOLOX-nano on real walkers: every crossing of the line is told by both, under the same id."""
    clip = {
        "id": "campus",
        "url": str(shared / "videos" / "pets09_s2l1_vtest.avi"),
        "lines": {"middle": [[0.7, 0], [0.7, 1]]},
        "sampling": {"active_fps": 5},
    }
    detector = f"onnx:{shared / 'weights' / 'yolox_nano.onnx'}"
    found = same(Case([clip], [rule("crossing", "person", crosses="middle")], detector), tmp_path, broker, "people")
    assert len(found.incidents) >= 15


STRANGERS: dict[str, dict[str, Any]] = {
    "expected the headers schema, got none": {"headers": {}},
    "header schema: expected frame/1, the only one known here, got 'frame/2'": {"schema": "frame/2"},
    "no camera 'attic' in the site file": {"key": "attic", "camera": "attic"},
    "expected a frame of at most 4194304 bytes, got 20000000": {"value": bytes(20_000_000)},
    "expected a JPEG, from ffd8ff to ffd9, got 6 bytes": {"value": b"GIF89a"},
}
"""How the reason of each begins, and what is wrong with it."""


def put_strangers(bus: KafkaBus) -> None:
    """One record of each kind on `frames`, by another program than ours, which would refuse the large one."""
    (good,) = wires(scene_frames()[:1], ends=False)
    producer = KafkaProducer(bootstrap_servers=bus.settings.servers, max_request_size=30_000_000)
    for changes in STRANGERS.values():
        names = {name: str(value) for name, value in changes.items() if name in good.headers}
        headers = changes.get("headers", good.headers | names)
        key, value = changes.get("key", good.key), changes.get("value", good.value)
        lines = [(name, text.encode()) for name, text in headers.items()]
        producer.send(bus.topic_name(Topic.FRAMES), value, key=key.encode(), headers=lines)
    producer.flush(60)
    producer.close()


def test_what_is_no_frame_is_set_aside_and_the_rest_goes_on(broker: int, tmp_path: Path) -> None:
    """Five kinds of strangers ahead of a camera's frames: a dead letter each, with its origin, and the same told."""
    bus = bus_of(broker, "strangers", partitions=4)
    put_strangers(bus)
    found = same(Case([scene("yard", 10)], [rule("entry", enters="fence")]), tmp_path, broker, "strangers")
    letters = list_dead_letters(bus)
    assert found.incidents
    assert {(letter.stage, letter.topic) for letter in letters} == {("watchers", "frames")}
    assert len({letter.origin for letter in letters}) == len(letters) == len(STRANGERS)
    assert all(any(letter.reason.startswith(words) for letter in letters) for words in STRANGERS)
