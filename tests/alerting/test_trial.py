from __future__ import annotations

from pipeline.alerting.trial import ChannelTrial, try_channel
from pipeline.alerting.webhook import WebhookSender
from pipeline.clock import SystemClock
from tests.support.alerting import make_channel
from tests.support.receiver import Receiver, answer


def attempt(receiver: Receiver, **fields: object) -> ChannelTrial:
    channel = make_channel(receiver.url, **{"allow_private": True} | fields)
    return try_channel(channel, WebhookSender("depot-7", "Europe/Berlin"), SystemClock())


def test_a_working_channel_gets_one_marked_message() -> None:
    """The receiver sees an unverified incident that says everywhere that it is a test."""
    with Receiver() as receiver:
        trial = attempt(receiver)
        (request,) = receiver.received
    assert (trial.channel, trial.is_ok, trial.status, trial.problem) == ("guards", True, 200, "")
    assert 0 < trial.latency_seconds < 10
    event = request.json
    assert event["type"] == "sightline.incident.unverified"
    assert event["data"]["test"] is True
    assert event["data"]["headline"].startswith("TEST: ")
    assert event["subject"].startswith("test-")


def test_every_trial_has_an_id_of_its_own() -> None:
    """A receiver that drops repeated ids shows every trial."""
    with Receiver() as receiver:
        attempt(receiver)
        attempt(receiver)
        first, second = receiver.received
    assert first.headers["webhook-id"] != second.headers["webhook-id"]


def test_a_refusing_receiver_is_reported_with_its_answer() -> None:
    """Status and words of the receiver come back instead of an exception."""
    with Receiver([answer(403, b"invalid_token")]) as receiver:
        trial = attempt(receiver)
    assert (trial.is_ok, trial.status) == (False, 403)
    assert trial.problem == "the receiver answered 403 Forbidden: invalid_token"


def test_a_channel_that_cannot_work_is_reported() -> None:
    """What is wrong in the site file is said without a network: here, a private address that is not allowed."""
    with Receiver() as receiver:
        trial = attempt(receiver, allow_private=False)
    assert (trial.is_ok, trial.status, receiver.received) == (False, None, [])
    assert "allow_private" in trial.problem
