"""`/health`, `/deliveries`, `/dead-letters`, `/budgets`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts.alert import Delivery
from pipeline.errors import ConfigError
from pipeline.incidents.recorder import IncidentRecorder
from tests.support.archive import BAG
from tests.support.console_api import Desk, desk


def test_health_says_what_is_owed(shown: Desk) -> None:
    """Zeros where there is nothing, and the cameras one may know of."""
    told = shown.client("gus").get("/api/v1/health").json()
    assert told["verdicts"] == {"number": 0, "oldest_age_seconds": 0}
    assert told["deliveries_by_state"] == {"pending": 0, "delivered": 0, "dead": 0}
    assert (told["cameras"], told["cameras_wrong"]) == (1, [])


@pytest.mark.parametrize("path", ["deliveries/dead", "dead-letters", "budgets"])
def test_the_whole_is_not_for_whoever_has_some_cameras(shown: Desk, path: str) -> None:
    """403: it takes a role for every camera."""
    assert shown.client("yuri").get(f"/api/v1/{path}").status_code == 403


def test_a_dead_delivery_is_shown_and_sent_again(fresh: Desk) -> None:
    """By an administrator."""
    now = fresh.clock.now()

    def one(change: Any) -> Sequence[Delivery]:
        place = {"incident_id": change.incident.id, "change_sequence": change.sequence, "channel": "hook"}
        return [Delivery(id=f"{change.id}.hook", created_at=now, next_attempt_at=now, **place)]

    IncidentRecorder(fresh.stores.incidents, one, fresh.clock).acknowledge(BAG.id, "olu")
    outbox = fresh.stores.outbox
    due = outbox.claim_due("test", now, 60.0)
    assert due is not None
    outbox.mark_dead(due.delivery.id, "test", "410 Gone", now)
    (dead,) = fresh.client("olu").get("/api/v1/deliveries/dead").json()["items"]
    assert (dead["delivery"]["last_error"], dead["change"]["kind"]) == ("410 Gone", "acknowledged")
    which = {"ids": [due.delivery.id]}
    assert fresh.client("olu").post("/api/v1/deliveries/dead/replay", json=which).status_code == 403
    assert fresh.client("ada").post("/api/v1/deliveries/dead/replay", json=which).json() == {"number": 1}
    assert outbox.counts()["pending"] == 1


@pytest.mark.parametrize("which", [{}, {"ids": ["x"], "everything": True}, {"ids": ["x" * 10_000]}])
def test_which_to_send_again_must_be_said(shown: Desk, which: dict[str, Any]) -> None:
    """Nothing, and both, are no answer."""
    assert shown.client().post("/api/v1/deliveries/dead/replay", json=which).status_code == 422


class Shelf:
    """`Letters` with two, one of them settled."""

    def dead(self, since: datetime | None) -> Sequence[Mapping[str, Any]]:
        at = datetime.fromisoformat("2026-07-10T20:00:00+00:00")
        same = {"at": at, "reason": "no JPEG", "stage": "watcher", "topic": "frames", "origin": "0:1", "key": "yard"}
        same |= {"published_at": "", "num_bytes": 3, "headers": {}, "cut": "", "left_out": 0, "redriven": 0}
        found = [{"id": "0:1", "is_settled": False, **same}, {"id": "0:2", "is_settled": True, **same}]
        return found if since is None or since <= at else []

    def redrive(self, ids: Sequence[str] | None) -> Sequence[Mapping[str, Any]]:
        if ids and "0:1" not in ids:
            raise ConfigError(f"there is no dead letter {ids[0]}")
        return [{"id": "0:1", "problem": ""}]


def test_dead_letters_are_listed_and_sent_again(tmp_path: Path) -> None:
    """Settled ones only when asked for; an unknown one is said."""
    with desk(tmp_path, letters=Shelf()) as made:
        client = made.client()
        assert [one["id"] for one in client.get("/api/v1/dead-letters").json()["items"]] == ["0:1"]
        assert len(client.get("/api/v1/dead-letters?everything=true").json()["items"]) == 2
        assert client.get("/api/v1/dead-letters?since=22:30").json()["items"] == []
        sent = client.post("/api/v1/dead-letters/redrive", json={"everything": True}).json()
        assert sent == {"items": [{"id": "0:1", "problem": ""}]}
        assert client.post("/api/v1/dead-letters/redrive", json={"ids": ["7:7"]}).status_code == 422


def test_without_a_bus_there_are_no_dead_letters(shown: Desk) -> None:
    """501 names the setting."""
    answer = shown.client().get("/api/v1/dead-letters")
    assert (answer.status_code, "bus.servers" in answer.json()["detail"]) == (501, True)


def test_budgets_are_those_of_the_command(shown: Desk) -> None:
    """By rule or camera."""
    (spent,) = shown.client().get("/api/v1/budgets?by=rule").json()["items"]
    assert (spent["name"], spent["verdicts"], spent["cost"]) == ("loitering", 1, None)
