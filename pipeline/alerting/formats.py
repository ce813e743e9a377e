"""A change of an incident as the bytes a receiver understands: one function a format, one table of them.

Pure: no clock, no network. Texts for people use the site's time, fields for machines UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_json

from pipeline.alerting.failure import DeliveryError
from pipeline.alerting.wording import Telling, cut, details, explanation, facts, headline, links
from pipeline.contracts.alert import Channel
from pipeline.contracts.candidate import Fact
from pipeline.contracts.forecast import each_thing
from pipeline.contracts.incident import ChangeKind, IncidentStatus
from pipeline.contracts.values import Severity, utc_text

DATA_SCHEMA = "urn:sightline:incident-change:1"
"""Grows by adding keys; a change of meaning makes it 2."""
_JSON = "application/json"
_FIRING_FOR = timedelta(hours=24)
"""How long Alertmanager holds an incident that is not closed. Without an end it would call it resolved after its
`resolve_timeout` (5 minutes), since nobody sends the alert again and again as Prometheus does."""
_BRIEF_FIRING_FOR = timedelta(minutes=5)
"""For what is over by the time it is told: a test, or an event that ended before its verdict came. Long enough
for Alertmanager to notify; an alert that arrives resolved never is."""
_PAGERDUTY_SEVERITY = {
    Severity.LOW: "info",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "critical",
}
# Limits of the receivers: https://docs.slack.dev/reference/block-kit/blocks (section text, context elements) and
# https://developer.pagerduty.com/docs/send-alert-event (summary).
_SLACK_TEXT_CHARACTERS = 3000
_PAGERDUTY_SUMMARY_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted."""

    body: bytes
    content_type: str


def write_message(telling: Telling, channel: Channel) -> Message:
    """The change in the channel's format; `DeliveryError` when the channel lacks what the format needs."""
    return FORMATS[channel.format](telling, channel)


def write_sightline(telling: Telling, _channel: Channel) -> Message:
    """CloudEvents 1.0, structured mode, JSON."""
    change, incident = telling.change, telling.incident
    event = {
        "specversion": "1.0",
        "id": change.id,
        "source": f"/sites/{telling.site_name}/cameras/{incident.camera_id}",
        "type": f"sightline.incident.{change.kind.value}",
        "subject": incident.id,
        "time": utc_text(change.at),
        "datacontenttype": _JSON,
        "dataschema": DATA_SCHEMA,
        "data": _data(telling),
    }
    return Message(_json(event), "application/cloudevents+json")


def write_slack(telling: Telling, _channel: Channel) -> Message:
    """An incoming webhook's blocks. What a model or a person wrote is escaped, so it cannot mention or link."""
    title = _escape(headline(telling))
    why = _escape(explanation(telling))
    particulars = " · ".join(f"{label}: {_escape(text)}" for label, text in details(telling).items())
    sections = [f"*{title}*", *([why] if why else [])]
    blocks: list[dict[str, Any]] = [{"type": "section", "text": _markdown(text)} for text in sections]
    blocks.append({"type": "context", "elements": [_markdown(particulars)]})
    if opens := [f"<{_escape(address)}|{label}>" for label, address in links(telling).items()]:
        blocks.append({"type": "context", "elements": [_markdown(" · ".join(opens))]})
    message = {"text": cut(title, _SLACK_TEXT_CHARACTERS), "blocks": blocks}
    # Slack would fetch what the links open, and keep it.
    return Message(_json(message | {"unfurl_links": False, "unfurl_media": False}), _JSON)


def write_pagerduty(telling: Telling, channel: Channel) -> Message:
    """Events API v2; all changes of an incident are one PagerDuty alert."""
    if channel.secret is None:
        raise DeliveryError("the pagerduty channel has no secret: set it to the routing key", needs_mending=True)
    incident = telling.incident
    event = {
        "routing_key": channel.secret.get_secret_value(),
        "event_action": _pagerduty_action(telling),
        "dedup_key": incident.id,
        "client": "Sightline",
        **({"client_url": telling.page} if telling.page else {}),
        "links": [{"href": address, "text": label} for label, address in links(telling).items()],
        "payload": {
            "summary": cut(headline(telling), _PAGERDUTY_SUMMARY_CHARACTERS),
            "source": f"{telling.site_name}/{incident.camera_id}",
            "severity": _PAGERDUTY_SEVERITY[incident.severity],
            "timestamp": utc_text(incident.opened_at),
            "component": incident.camera_id,
            "group": telling.site_name,
            "class": incident.rule_id,
            "custom_details": {"test": telling.is_test, "why": explanation(telling)} | details(telling),
        },
    }
    return Message(_json(event), _JSON)


def write_alertmanager(telling: Telling, _channel: Channel) -> Message:
    """`POST /api/v2/alerts`. The labels are the alert's identity; they stay the same while severity does."""
    incident = telling.incident
    alert = {
        "labels": {
            "alertname": incident.rule_id,
            "incident": incident.id,
            "site": telling.site_name,
            "camera": incident.camera_id,
            "severity": incident.severity.value,
            **({"test": "true"} if telling.is_test else {}),
        },
        "annotations": {
            "summary": headline(telling),
            "description": explanation(telling),
            "status": incident.status.value,
            **{label.lower().replace(" ", "_"): text for label, text in (details(telling) | links(telling)).items()},
        },
        **({"generatorURL": telling.page} if telling.page else {}),
        "startsAt": utc_text(incident.opened_at),
        "endsAt": utc_text(_ends_at(telling)),
    }
    return Message(_json([alert]), _JSON)


FORMATS: dict[str, Callable[[Telling, Channel], Message]] = {
    "sightline": write_sightline,
    "slack": write_slack,
    "pagerduty": write_pagerduty,
    "alertmanager": write_alertmanager,
}


def _data(telling: Telling) -> dict[str, Any]:
    change, incident = telling.change, telling.incident
    grounding = incident.assessment.grounding if incident.assessment else None
    return {
        "test": telling.is_test,
        "site": telling.site_name,
        "camera": incident.camera_id,
        "rule": incident.rule_id,
        "rule_version": incident.candidate.rule_version,
        "incident": incident.id,
        "page": telling.page or None,
        "change": change.sequence,
        "kind": change.kind.value,
        "status": incident.status.value,
        "severity": incident.severity.value,
        "headline": headline(telling),
        "explanation": explanation(telling),
        "note": change.note,
        "times": _times(telling),
        "facts": [_fact(fact) for fact in facts(telling)],
        "expected": [one.model_dump(mode="json") for one in each_thing(incident.candidate.outlook)],
        "verdict": _verdict(telling),
        "report": telling.report.model_dump(mode="json") if telling.report else None,
        "grounding": grounding.model_dump(mode="json") if grounding else None,
        "evidence": _evidence(telling),
        "acknowledged_by": incident.acknowledged_by,
        "review": incident.review.model_dump(mode="json") if incident.review else None,
        "models": incident.candidate.models,
    }


def _times(telling: Telling) -> dict[str, str | None]:
    incident = telling.incident
    return {
        "started_at": utc_text(incident.candidate.started_at),
        "opened_at": utc_text(incident.opened_at),
        "changed_at": utc_text(telling.change.at),
        "closed_at": _utc_or_none(incident.closed_at),
        "acknowledged_at": _utc_or_none(incident.acknowledged_at),
        "opened_at_local": telling.local(incident.opened_at).isoformat(timespec="milliseconds"),
        "timezone": telling.zone.key,
    }


def _fact(fact: Fact) -> dict[str, Any]:
    measured = {"value": fact.value, "threshold": fact.threshold, "unit": fact.unit}
    return {"kind": fact.kind, "text": fact.text, "at": utc_text(fact.at), **measured}


def _verdict(telling: Telling) -> dict[str, Any] | None:
    assessment = telling.incident.assessment
    if assessment is None:
        return None
    return {
        "verdict": assessment.verdict.value,
        "probability": assessment.probability,
        "reason": assessment.reason,
        "model": assessment.model_id,
        "prompt_version": assessment.prompt_version,
        "finished_at": utc_text(assessment.finished_at),
    }


def _evidence(telling: Telling) -> dict[str, Any]:
    """Keys in the evidence store and, where the console has an address, links that open what they name for a while;
    the key frames in time order, with the number by which a report cites each."""
    incident, address = telling.incident, telling.addresses.get
    frames = sorted(incident.candidate.key_frames, key=lambda frame: frame.captured_at)
    return {
        "snapshot": incident.snapshot_uri,
        "snapshot_url": address(incident.snapshot_uri or ""),
        "clip": incident.clip_uri,
        "clip_url": address(incident.clip_uri or ""),
        "key_frames": [
            {
                "number": incident.frame_numbers.get(frame.sequence),
                "captured_at": utc_text(frame.captured_at),
                "role": frame.role,
                "picture": frame.uri,
                "picture_url": address(frame.uri or ""),
            }
            for frame in frames
        ],
    }


def _pagerduty_action(telling: Telling) -> str:
    kind, incident = telling.change.kind, telling.incident
    if kind is ChangeKind.ACKNOWLEDGED:
        return "acknowledge"
    if kind is ChangeKind.REVIEWED and incident.review is not None:
        return "acknowledge" if incident.review.is_right else "resolve"
    if incident.status is IncidentStatus.REJECTED:
        return "resolve"
    # What ended before its verdict stays open for it, and a late update (the clip was written) opens nothing again.
    is_over = incident.closed_at is not None and not incident.awaits_verdict and not _is_risen(telling)
    late = ChangeKind.CLOSED, ChangeKind.UPDATED, ChangeKind.REPEATED
    return "resolve" if is_over and kind in late else "trigger"


def _is_risen(telling: Telling) -> bool:
    """It has just become more severe, be it over or not."""
    return telling.change.sequence == telling.incident.risen_in


def _ends_at(telling: Telling) -> datetime:
    incident, change = telling.incident, telling.change
    if incident.status is IncidentStatus.REJECTED:
        return max(change.at, incident.opened_at)
    news = ChangeKind.PROVISIONAL, ChangeKind.CONFIRMED, ChangeKind.UNVERIFIED
    is_news = change.kind in news or _is_risen(telling)
    if incident.closed_at is not None and not is_news:
        return max(incident.closed_at, incident.opened_at)
    is_brief = telling.is_test or incident.closed_at is not None
    return change.at + (_BRIEF_FIRING_FOR if is_brief else _FIRING_FOR)


def _escape(text: str) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text#escaping"""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _markdown(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": cut(text, _SLACK_TEXT_CHARACTERS)}


def _utc_or_none(moment: datetime | None) -> str | None:
    return utc_text(moment) if moment else None


def _json(value: Any) -> bytes:
    # A measurement that is not a finite number is told as null: it must not keep an alert from going out.
    return to_json(value, inf_nan_mode="null")
