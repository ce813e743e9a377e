"""The whole path in one process: a rendered scene in, stored incidents and webhooks out."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from pipeline.clock import SystemClock
from pipeline.console.access import Access, AccessBook
from pipeline.console.signing import read_link
from pipeline.contracts.decision import Gate
from pipeline.contracts.incident import IncidentStatus
from pipeline.settings import AccessSettings
from pipeline.store.people import SqlPeople
from pipeline.telemetry import Metrics
from tests.support.local import Listener, incidents_of, run_site, site_of, stores_of
from tests.support.model_server import judge
from tests.support.receiver import Receiver, answer

SCENE = """
models: {{vlm: "{vlm}"}}
cameras:
  - id: yard
    url: "synthetic:yard?seed=1&seconds=40&fps=8&size=480x270"
    zones: {{fence: [[0.036, 0.495], [0.434, 0.495], [0.449, 0.358], [0.143, 0.358]]}}
rules:
  - {{id: entry, track: {{object: any, enters: fence}}, cooldown: 0s, alert: {alert}}}
channels:
  guards: {{webhook: "{receiver}", allow_private: true}}
settings: {{drain_for: 20s, alerting: {{retry_from: 0.05s, retry_to: 0.2s}}}}
"""


def scene(receiver: Receiver, vlm: str = "none", alert: str = "at_once") -> str:
    return SCENE.format(receiver=receiver.url, vlm=vlm, alert=alert)


def told(receiver: Receiver) -> list[str]:
    """Kinds of the changes a receiver was told, in order."""
    return [request.json["type"].removeprefix("sightline.incident.") for request in receiver.received]


def test_without_a_model_it_is_told_as_unverified(tmp_path: Path) -> None:
    """One alert, marked unverified, with pictures, a clip and the facts in words."""
    with Receiver() as receiver:
        site = site_of(scene(receiver))
        summary = run_site(site, tmp_path)
    (incident,) = incidents_of(site, tmp_path)
    assert told(receiver) == ["unverified", "closed"]
    assert incident.status is IncidentStatus.UNVERIFIED
    assert incident.candidate.facts[0].text == "something entered fence"
    stores = stores_of(site, tmp_path)
    assert stores.evidence.get(incident.snapshot_uri)[:2] == b"\xff\xd8"
    assert b"ftyp" in stores.evidence.get(incident.clip_uri)[:16]
    assert all(stores.evidence.get(key.uri)[:2] == b"\xff\xd8" for key in incident.candidate.key_frames)
    stores.close()
    assert (summary.incidents, summary.pending_deliveries, summary.failures) == (1, 0, ())


def test_a_message_opens_its_picture(tmp_path: Path) -> None:
    """With `access.public_url` it carries a link that the console over the same data folder takes."""
    with Receiver() as receiver:
        text = scene(receiver).replace("settings: {", 'settings: {access: {public_url: "https://s.example"}, ')
        run_site(site := site_of(text), tmp_path)
    data = receiver.received[0].json["data"]
    assert data["page"] == f"https://s.example/review/{data['incident']}"
    address = urlsplit(data["evidence"]["snapshot_url"])
    link = read_link(dict(parse_qsl(address.query)))
    stores = stores_of(site, tmp_path)
    book = AccessBook(SqlPeople(stores.database), Access(lambda _: ()), SystemClock(), AccessSettings())
    assert link is not None
    assert book.of_link(address.path, link).name == "link for channel guards"
    stores.close()


def test_the_verdict_follows_with_the_same_id(tmp_path: Path) -> None:
    """Provisional first, at once; then confirmed, with the model's explanation, for the same incident."""
    with Receiver() as receiver, Receiver(otherwise=judge(0.95, delay_seconds=0.5)) as vlm:
        site = site_of(scene(receiver, vlm=f"openai:http://127.0.0.1:{vlm.port}/v1#judge"))
        run_site(site, tmp_path)
    assert told(receiver)[0] == "provisional"
    assert sorted(told(receiver)) == ["closed", "confirmed", "provisional"]
    assert len({request.json["subject"] for request in receiver.received}) == 1
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 3
    (incident,) = incidents_of(site, tmp_path)
    assert incident.assessment is not None
    assert incident.assessment.reason == "Somebody walks across the yard."


def test_a_rejected_candidate_nobody_was_to_hear_of_stays_untold(tmp_path: Path) -> None:
    """With `alert: verified` and a model that says no, the receiver hears nothing and `why` knows the reason."""
    with Receiver() as receiver, Receiver(otherwise=judge(0.05)) as vlm:
        site = site_of(scene(receiver, vlm=f"openai:http://127.0.0.1:{vlm.port}/v1#judge", alert="verified"))
        run_site(site, tmp_path)
    assert told(receiver) == []
    (incident,) = incidents_of(site, tmp_path)
    assert incident.status is IncidentStatus.REJECTED
    stores = stores_of(site, tmp_path)
    minute = incident.opened_at.replace(second=0, microsecond=0)
    counts = stores.decisions.between("yard", minute, minute.replace(minute=(minute.minute + 1) % 60), "entry")
    assert any(count.gate is Gate.VERIFICATION and not count.passed for count in counts)
    stores.close()


def test_a_dead_model_server_costs_the_verdict_only(tmp_path: Path) -> None:
    """Nobody answers: the provisional alert is out, and the verdict is unverified with the reason."""
    with Receiver() as receiver:
        text = scene(receiver, vlm="openai:http://127.0.0.1:9/v1#judge") + "  \n"
        site = site_of(text.replace("settings: {", "settings: {reasoning: {attempts: 1}, "))
        run_site(site, tmp_path)
    assert sorted(told(receiver)) == ["closed", "provisional", "unverified"]
    (incident,) = incidents_of(site, tmp_path)
    assert incident.assessment is not None
    assert "127.0.0.1:9" in incident.assessment.reason


def test_stopping_leaves_what_is_owed_for_the_next_run(tmp_path: Path) -> None:
    """Stopped while the receiver is down and a verdict is pending, the next run delivers and judges."""
    stop = threading.Event()
    with Receiver(otherwise=answer(503)) as receiver, Receiver(otherwise=judge(0.95, delay_seconds=3)) as vlm:
        site = site_of(scene(receiver, vlm=f"openai:http://127.0.0.1:{vlm.port}/v1#judge").replace("20s", "0.2s"))
        first = run_site(site, tmp_path, listener=Listener(lambda _: stop.set()), stop=stop)
    assert first.pending_deliveries > 0
    with Receiver() as receiver, Receiver(otherwise=judge(0.95)) as vlm:
        again = site_of(
            scene(receiver, vlm=f"openai:http://127.0.0.1:{vlm.port}/v1#judge").replace("seconds=40", "seconds=1")
        )
        second = run_site(again, tmp_path)
    assert (second.incidents, second.pending_deliveries, second.pending_verdicts) == (0, 0, 0)
    assert {"provisional", "confirmed", "closed"} <= set(told(receiver))


def test_evidence_that_cannot_be_kept_holds_up_no_alert(tmp_path: Path) -> None:
    """The evidence folder goes away while running: the incident goes out without pictures."""

    def break_folder() -> None:
        shutil.rmtree(tmp_path / "evidence", ignore_errors=True)
        (tmp_path / "evidence").write_text("in the way")

    with Receiver() as receiver:
        site = site_of(scene(receiver))
        run_site(site, tmp_path, listener=Listener(on_start=break_folder))
    (tmp_path / "evidence").unlink()
    (incident,) = incidents_of(site, tmp_path)
    assert told(receiver) == ["unverified", "closed"]
    assert (incident.snapshot_uri, incident.clip_uri) == ("", "")


@pytest.mark.slow
def test_a_locked_database_delays_and_loses_nothing(tmp_path: Path) -> None:
    """Somebody holds the database for longer than the program waits for a lock: the incident is stored after."""
    released = threading.Event()

    def hold() -> None:
        holder = sqlite3.connect(tmp_path / "sightline.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        held.set()
        released.wait(13.0)
        holder.execute("ROLLBACK")
        holder.close()

    def start_holding() -> None:
        holder_thread.start()
        held.wait(5.0)

    held, holder_thread = threading.Event(), threading.Thread(target=hold)
    with Receiver() as receiver:
        site = site_of(scene(receiver))
        run_site(site, tmp_path, listener=Listener(on_start=start_holding))
    holder_thread.join()
    assert len(incidents_of(site, tmp_path)) == 1
    assert told(receiver) == ["unverified", "closed"]


def test_every_frame_is_accounted_for(tmp_path: Path) -> None:
    """Frames read are frames sampled and frames passed over with a reason; the ledger has those that were looked at."""
    metrics = Metrics()
    with Receiver() as receiver:
        site = site_of(scene(receiver))
        summary = run_site(site, tmp_path, metrics=metrics)
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    total = {
        name: sum(sample.value for sample in samples if sample.name == f"sightline_{name}_total")
        for name in ("frames_read", "frames_sampled", "frames_skipped")
    }
    assert total["frames_read"] == summary.frames_read == 320
    assert total["frames_sampled"] + total["frames_skipped"] == total["frames_read"]
    stores = stores_of(site, tmp_path)
    start = datetime.now(UTC) - timedelta(minutes=5)
    counts = stores.decisions.between("yard", start, start + timedelta(minutes=10))
    (not_due,) = (one.value for one in samples if one.name.endswith("_total") and one.labels.get("reason") == "not due")
    looked_at = sum(count.count for count in counts if count.gate is Gate.SAMPLING)
    assert looked_at == total["frames_read"] - not_due == 200  # five a second of the scene's 8
    stores.close()


def test_one_unreadable_camera_leaves_the_others_alone(tmp_path: Path) -> None:
    """A file that is no video is one clear failure; the other camera's incident is found."""
    (tmp_path / "broken.mp4").write_bytes(b"")
    with Receiver() as receiver:
        text = (
            scene(receiver)
            .replace("rules:", f"  - {{id: broken, url: {tmp_path}/broken.mp4}}\nrules:")
            .replace("enters: fence}", "enters: fence}, cameras: yard")
        )
        site = site_of(text)
        summary = run_site(site, tmp_path / "data")
    assert len(summary.failures) == 1
    assert summary.failures[0].startswith("broken: ")
    assert told(receiver) == ["unverified", "closed"]
