from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest

from pipeline.alerting.failure import DeliveryError
from pipeline.alerting.formats import FORMATS, write_message
from pipeline.alerting.wording import Telling
from pipeline.contracts.assessment import Grounding, RemovedClaim
from pipeline.contracts.forecast import Expected, ExpectedKind
from pipeline.contracts.incident import IncidentChange
from pipeline.contracts.values import Severity
from tests.support.alerting import OPENED_AT, make_candidate, make_change, make_channel, make_report

BERLIN = ZoneInfo("Europe/Berlin")
CLOSED_AT = OPENED_AT + timedelta(seconds=40)
CLOUD_EVENT = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "time", "subject", "data", "dataschema", "datacontenttype"],
    "additionalProperties": False,
    "patternProperties": {"^[a-z0-9]{1,20}$": {}},
    "properties": {"specversion": {"const": "1.0"}, "id": {"minLength": 1}, "time": {"format": "date-time"}},
}


def write(change: IncidentChange, form: str = "sightline", *, is_test: bool = False) -> Any:
    channel = make_channel(format=form, secret="routing-key")
    return json.loads(write_message(Telling(change, "depot-7", BERLIN, is_test), channel).body)


def test_the_envelope_is_a_cloud_event() -> None:
    """`sightline` is CloudEvents 1.0 in structured mode, named by change, camera and incident."""
    event = write(make_change("confirmed", sequence=2))
    jsonschema.validate(event, CLOUD_EVENT)
    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": "incident1.2",
        "source": "/sites/depot-7/cameras/gate-north",
        "type": "sightline.incident.confirmed",
        "subject": "incident1",
        "time": "2026-01-01T21:14:05.000Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:sightline:incident-change:1",
    }
    assert data["headline"] == "Confirmed: a person climbs the fence — gate-north, 22:14:03 (site time)"


def test_the_data_tells_what_happened_and_why() -> None:
    """A receiver gets status, times, facts, verdict, evidence and the models behind them."""
    data = write(make_change("confirmed", sequence=2))["data"]
    del data["report"], data["headline"], data["grounding"]
    assert data == {
        "test": False,
        "site": "depot-7",
        "camera": "gate-north",
        "rule": "climb-fence",
        "rule_version": "v1",
        "incident": "incident1",
        "page": None,
        "change": 2,
        "kind": "confirmed",
        "status": "confirmed",
        "severity": "high",
        "explanation": "A person puts both hands on the fence and swings a leg over it.",
        "note": "",
        "times": {
            "started_at": "2026-01-01T21:14:01.000Z",
            "opened_at": "2026-01-01T21:14:03.000Z",
            "changed_at": "2026-01-01T21:14:05.000Z",
            "closed_at": None,
            "acknowledged_at": None,
            "opened_at_local": "2026-01-01T22:14:03.000+01:00",
            "timezone": "Europe/Berlin",
        },
        "facts": [
            {
                "kind": "crosses",
                "text": "person 7 crossed fence",
                "at": "2026-01-01T21:14:03.000Z",
                "value": 1.5,
                "threshold": 1.0,
                "unit": "s",
            }
        ],
        "expected": [],
        "verdict": {
            "verdict": "confirmed",
            "probability": 0.93,
            "reason": "the model saw a cat",
            "model": "qwen",
            "prompt_version": "p1",
            "finished_at": "2026-01-01T21:14:06.000Z",
        },
        "evidence": {
            "snapshot": "snapshot.jpg",
            "snapshot_url": None,
            "clip": "",
            "clip_url": None,
            "key_frames": [
                {
                    "number": 1,
                    "captured_at": "2026-01-01T21:14:04.000Z",
                    "role": "peak",
                    "picture": "frame-1.jpg",
                    "picture_url": None,
                },
                {
                    "number": 2,
                    "captured_at": "2026-01-01T21:14:05.000Z",
                    "role": "peak",
                    "picture": "frame-2.jpg",
                    "picture_url": None,
                },
            ],
        },
        "acknowledged_by": "",
        "review": None,
        "models": {"detector": "motion"},
    }


def test_the_report_keeps_frames_boxes_relations_and_forecast() -> None:
    """Every claim of the report goes out with the frames and boxes it cites."""
    report = write(make_change("confirmed"))["data"]["report"]
    assert report == make_report().model_dump(mode="json")
    assert report["elements"] == [{"name": "person", "frame": 1, "box": [0.1, 0.2, 0.3, 0.4]}]


def test_what_was_removed_from_a_report_goes_out_with_it() -> None:
    """Machines get each claim with its reason, people how many there were."""
    removed = RemovedClaim(claim="dog in picture 1", reason="there is nothing in its box in picture 1")
    grounding = Grounding(num_checked=3, num_supported=2, removed=(removed,))
    assessment = make_change("confirmed").incident.assessment
    assert assessment is not None
    change = make_change("confirmed", assessment=assessment.model_copy(update={"grounding": grounding}))
    assert write(change)["data"]["grounding"] == grounding.model_dump(mode="json")
    (alert,) = write(change, "alertmanager")
    assert alert["annotations"]["checked"] == "3 claims, 1 without support removed"


def test_what_is_expected_goes_out_with_it() -> None:
    """Of each thing the most telling horizon, the soonest that is more likely than not."""
    told = [
        Expected(
            kind=ExpectedKind.ENTERS,
            target="dock",
            track_id=7,
            what="person 7 enters dock",
            within_seconds=seconds,
            probability=probability,
            made_at=OPENED_AT,
        )
        for seconds, probability in ((2, 0.3), (5, 0.7), (10, 0.9))
    ]
    (expected,) = write(make_change("confirmed", candidate=make_candidate(outlook=told)))["data"]["expected"]
    assert (expected["what"], expected["within_seconds"], expected["probability"]) == ("person 7 enters dock", 5.0, 0.7)


def test_a_provisional_alert_says_what_was_measured() -> None:
    """Before a verdict there is neither report nor verdict, and the facts speak."""
    data = write(make_change("provisional"))["data"]
    assert (data["verdict"], data["report"], data["explanation"]) == (None, None, "person 7 crossed fence")
    assert data["headline"].startswith("Seen, being checked: person 7 crossed fence — gate-north")


def test_a_measurement_that_is_no_number_does_not_hold_an_alert_up() -> None:
    """An infinite value is told as null."""
    fact = make_candidate().facts[0].model_copy(update={"value": float("inf")})
    data = write(make_change("provisional", candidate=make_candidate(facts=(fact,))))["data"]
    assert data["facts"][0]["value"] is None


@pytest.mark.parametrize(
    ("moment", "clock"),
    [("2026-03-29T00:59:59+00:00", "01:59:59"), ("2026-03-29T01:00:00+00:00", "03:00:00")],
    ids=["last winter second", "first summer second"],
)
def test_people_read_the_site_clock(moment: str, clock: str) -> None:
    """Headlines follow the site's clock over its changes."""
    headline = write(make_change(opened_at=datetime.fromisoformat(moment)))["data"]["headline"]
    assert f"gate-north, {clock} (site time)" in headline


def test_slack_gets_blocks() -> None:
    """Headline, explanation and particulars stand in blocks, with a plain fallback."""
    message = write(make_change("confirmed"), "slack")
    assert message["text"] == "Confirmed: a person climbs the fence — gate-north, 22:14:03 (site time)"
    title, why, context = message["blocks"]
    assert title == {"type": "section", "text": {"type": "mrkdwn", "text": f"*{message['text']}*"}}
    assert why["text"]["text"] == "A person puts both hands on the fence and swings a leg over it."
    assert context["type"] == "context"
    assert context["elements"][0]["text"] == (
        "Site: depot-7 · Camera: gate-north · Rule: climb-fence · Severity: high · Since: 2026-01-01 22:14:03 CET"
        " · Probability: 93% · Seen: person (picture 1) · Likely next: They enter the yard. · Advice: Send a guard."
    )


def test_what_a_model_writes_cannot_mention_or_link_in_slack() -> None:
    """Slack's control characters are escaped everywhere."""
    assessment = make_change().incident.assessment
    assert assessment is not None
    report = make_report(title="<!channel> & <https://evil.example|click>")
    change = make_change(assessment=assessment.model_copy(update={"report": report}), sequence=1, note="<@U1>")
    text = json.dumps(write(change, "slack"), ensure_ascii=False)
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;" in text
    assert "<" not in text


def test_long_texts_are_cut_to_what_receivers_take() -> None:
    """Slack's 3000 and PagerDuty's 1024 characters hold whatever a fact says."""
    fact = make_candidate().facts[0].model_copy(update={"text": "x" * 5000})
    change = make_change("provisional", candidate=make_candidate(facts=(fact,)))
    assert all(len(block["text"]["text"]) <= 3000 for block in write(change, "slack")["blocks"][:2])
    assert len(write(change, "pagerduty")["payload"]["summary"]) == 1024


def test_pagerduty_gets_an_event() -> None:
    """Events API v2, deduplicated by incident, with PagerDuty's own severity words."""
    event = write(make_change("confirmed"), "pagerduty")
    details = event["payload"].pop("custom_details")
    assert event == {
        "routing_key": "routing-key",
        "event_action": "trigger",
        "dedup_key": "incident1",
        "client": "Sightline",
        "links": [],
        "payload": {
            "summary": "Confirmed: a person climbs the fence — gate-north, 22:14:03 (site time)",
            "source": "depot-7/gate-north",
            "severity": "error",
            "timestamp": "2026-01-01T21:14:03.000Z",
            "component": "gate-north",
            "group": "depot-7",
            "class": "climb-fence",
        },
    }
    assert details["why"] == "A person puts both hands on the fence and swings a leg over it."


@pytest.mark.parametrize(
    ("change", "action"),
    [
        (make_change("provisional"), "trigger"),
        (make_change("updated"), "trigger"),
        (make_change("unverified"), "trigger"),
        (make_change("acknowledged"), "acknowledge"),
        (make_change("rejected"), "resolve"),
        (make_change("closed", status="confirmed", closed_at=CLOSED_AT), "resolve"),
        (make_change("updated", status="confirmed", closed_at=CLOSED_AT), "resolve"),
        (make_change("updated", status="rejected"), "resolve"),
        (make_change("closed", closed_at=CLOSED_AT, awaits_verdict=True), "trigger"),
        (make_change("confirmed", closed_at=CLOSED_AT), "trigger"),
    ],
    ids=[
        "provisional", "updated", "unverified", "acknowledged", "rejected", "closed", "updated after closing",
        "updated after rejection", "closed before the verdict", "confirmed after closing",
    ],
)  # fmt: skip
def test_pagerduty_actions_follow_the_incident(change: IncidentChange, action: str) -> None:
    """A page opens, is acknowledged and resolves with the incident; a late update opens nothing again."""
    assert write(change, "pagerduty")["event_action"] == action


@pytest.mark.parametrize(
    ("severity", "word"),
    [(Severity.LOW, "info"), (Severity.MEDIUM, "warning"), (Severity.HIGH, "error"), (Severity.CRITICAL, "critical")],
)
def test_pagerduty_severity(severity: Severity, word: str) -> None:
    """Each severity has one PagerDuty word."""
    assert write(make_change(severity=severity), "pagerduty")["payload"]["severity"] == word


def test_pagerduty_without_a_routing_key_is_a_clear_failure() -> None:
    """The missing key is named, and the delivery is kept for when it is there."""
    with pytest.raises(DeliveryError, match="routing key") as caught:
        FORMATS["pagerduty"](Telling(make_change(), "depot-7", BERLIN), make_channel(format="pagerduty"))
    assert caught.value.needs_mending


def test_alertmanager_gets_an_alert() -> None:
    """Labels identify, annotations explain; an open incident fires for a day, not for five minutes."""
    (alert,) = write(make_change("confirmed"), "alertmanager")
    annotations = alert.pop("annotations")
    assert alert == {
        "labels": {
            "alertname": "climb-fence",
            "incident": "incident1",
            "site": "depot-7",
            "camera": "gate-north",
            "severity": "high",
        },
        "startsAt": "2026-01-01T21:14:03.000Z",
        "endsAt": "2026-01-02T21:14:04.000Z",
    }
    assert annotations["summary"].startswith("Confirmed: a person climbs the fence")
    assert annotations["likely_next"] == "They enter the yard."
    assert all(isinstance(value, str) for value in annotations.values())


def write_linked(form: str) -> Any:
    """With a page, and links to the snapshot and the second key frame."""
    addresses = {"snapshot.jpg": "https://s.example/s?a=1&b=2", "frame-2.jpg": "https://s.example/2"}
    page = "https://s.example/review/incident1"
    telling = Telling(make_change("confirmed"), "depot-7", BERLIN, page=page, addresses=addresses)
    return json.loads(write_message(telling, make_channel(format=form, secret="routing-key")).body)


def test_links_stand_beside_the_keys_of_what_they_open() -> None:
    """A receiver's program finds each picture and the clip; what has no link has none."""
    data = write_linked("sightline")["data"]
    assert data["page"] == "https://s.example/review/incident1"
    assert data["evidence"]["snapshot_url"] == "https://s.example/s?a=1&b=2"
    assert data["evidence"]["clip_url"] is None
    assert [frame["picture_url"] for frame in data["evidence"]["key_frames"]] == [None, "https://s.example/2"]


def test_people_find_picture_and_incident_behind_words() -> None:
    """In each receiver's own way; Slack is kept from fetching what the links open."""
    slack = write_linked("slack")
    assert slack["blocks"][-1]["elements"][0]["text"] == (
        "<https://s.example/s?a=1&amp;b=2|Picture> · <https://s.example/review/incident1|Incident>"
    )
    assert (slack["unfurl_links"], slack["unfurl_media"]) == (False, False)
    pagerduty = write_linked("pagerduty")
    assert pagerduty["client_url"] == "https://s.example/review/incident1"
    assert [link["text"] for link in pagerduty["links"]] == ["Picture", "Incident"]
    (alert,) = write_linked("alertmanager")
    assert alert["generatorURL"] == "https://s.example/review/incident1"
    assert alert["annotations"]["picture"] == "https://s.example/s?a=1&b=2"


@pytest.mark.parametrize(
    ("change", "ends_at"),
    [
        (make_change("closed", sequence=50, status="confirmed", closed_at=CLOSED_AT), "2026-01-01T21:14:43.000Z"),
        (make_change("updated", sequence=60, status="confirmed", closed_at=CLOSED_AT), "2026-01-01T21:14:43.000Z"),
        (make_change("rejected", sequence=5), "2026-01-01T21:14:08.000Z"),
        (make_change("confirmed", sequence=60, closed_at=CLOSED_AT), "2026-01-01T21:20:03.000Z"),
    ],
    ids=["closed", "updated after closing", "rejected", "confirmed after closing"],
)
def test_alertmanager_alerts_end_with_the_incident(change: IncidentChange, ends_at: str) -> None:
    """A closed or rejected incident is resolved; one confirmed after its end still fires long enough to be heard."""
    assert write(change, "alertmanager")[0]["endsAt"] == ends_at


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_test_message_is_marked_in_every_format(form: str) -> None:
    """Nobody can take a test for an alarm."""
    assert "TEST: " in json.dumps(write(make_change("unverified"), form, is_test=True))


@pytest.mark.parametrize("form", sorted(FORMATS))
@pytest.mark.parametrize("kind", ["provisional", "confirmed", "rejected", "unverified", "updated", "closed"])
def test_the_signing_secret_is_in_no_message(form: str, kind: str) -> None:
    """Only PagerDuty's body carries the channel's secret, since that is its routing key."""
    channel = make_channel(format=form, secret="s3cr3t-value")
    body = write_message(Telling(make_change(kind), "depot-7", BERLIN), channel).body
    assert (b"s3cr3t-value" in body) is (form == "pagerduty")


def test_an_acknowledgement_names_the_person() -> None:
    """The headline says who has seen it."""
    change = make_change("acknowledged", status="confirmed", acknowledged_by="Ada")
    assert write(change)["data"]["headline"].startswith("Acknowledged by Ada: ")
