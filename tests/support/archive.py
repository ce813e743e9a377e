"""An archive over a real data folder, and models that hold a conversation as a script says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipeline.app.stores import Stores, open_stores
from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Element, Report, TextPart
from pipeline.contracts.chat import Message, Tool, ToolCall
from pipeline.contracts.coverage import Interval, Layer
from pipeline.contracts.decision import NO_RULE, Gate
from pipeline.contracts.incident import ChangeKind, Incident, IncidentChange, IncidentStatus
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError
from pipeline.search.archive import Archive, Watched
from pipeline.settings import Settings
from tests.support.cli import START, count, incident
from tests.support.reasoning import Reply, jpeg

SITE = """
site: {name: depot, timezone: Europe/Berlin}
cameras:
  - {id: yard, url: x.mp4, zones: {fence: [[0, 0], [1, 0], [1, 1]]}}
  - {id: gate, url: y.mp4}
rules:
  - {id: loitering, cameras: [yard], track: {inside: fence, longer_than: 45s}}
  - {id: entry, cameras: [yard], track: {enters: fence}}
"""
BAG = incident(
    3.0,
    status=IncidentStatus.CONFIRMED,
    report=Report(
        title="A bag is left at the fence",
        explanation="A man puts a red bag down and walks away.",
        frames=(1,),
        elements=(Element(name="red bag", frame=1),),
    ),
)
ENTRY = incident(90.0, rule="entry", fact="something entered fence")


def seconds(number: float) -> datetime:
    """So long after `START`."""
    return START + timedelta(seconds=number)


def fill(folder: Path, incidents: Sequence[Incident] = (BAG, ENTRY)) -> None:
    """Incidents with their pictures; `yard` was watched for ten minutes from `START`, but for two of them."""
    (folder / "site.yaml").write_text(SITE)
    stores = open_stores(Settings(data_dir=folder))
    for seen in incidents:
        kind = ChangeKind(seen.status.value)
        kept = seen.model_copy(update={"last_change": 1})
        assert stores.incidents.commit(IncidentChange(sequence=1, kind=kind, at=seen.opened_at, incident=kept), [])
        for key in seen.candidate.key_frames:
            stores.evidence.put(key.uri, jpeg(1600, 900))
    parts = [(0, 120, "", ""), (120, 240, "offline", "no answer"), (240, 600, "", "")]
    for layer in Layer:
        told = parts if layer is Layer.PICTURES else [(0, 600, "", "")]
        stores.coverage.extend([Interval("yard", layer, seconds(a), seconds(b), *why) for a, b, *why in told])
    stores.decisions.add([count(Gate.SAMPLING, "no motion", rule=NO_RULE, count=50)])
    stores.close()


class PlainAccounts:
    """`yard` was not watched for two minutes of any while that holds them."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], datetime, datetime]] = []

    def watched(self, camera_id: str, start: datetime, end: datetime) -> Watched:
        length = (end - start).total_seconds()
        return Watched(length, length, (), end)

    def unwatched(self, camera_ids: Sequence[str], start: datetime, end: datetime) -> list[str]:
        self.asked.append((tuple(camera_ids), start, end))
        is_blind = "yard" in camera_ids and start < seconds(240) and end > seconds(120)
        return ["yard was not watched 22:16:00–22:18:00: offline"] if is_blind else []

    def why(self, camera_id: str, rule_id: str | None, at: datetime, window_seconds: float) -> Mapping[str, Any]:
        return {"answers": [f"No alert for {rule_id or camera_id}: nothing moved."], "gates": []}


class ColourWords:
    """Words and pictures in a space of two directions: red and the rest."""

    model_id = "colours"
    supports_text = True
    logit_scale = 1.0

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[1, 0] if "red" in text else [0, 1] for text in texts], np.float32)


def archive_of(stores: Stores, **given: Any) -> Archive:
    """An archive half an hour after `START`, of the site above."""
    clock = given.pop("clock", None) or ManualClock(seconds(1800))
    rules = [
        Rule.model_validate({"id": "loitering", "track": {"object": "any", "inside": "fence", "longer_than": 45}}),
        Rule.model_validate({"id": "entry", "track": {"object": "any", "enters": "fence"}}),
    ]

    def read_time(text: str) -> datetime:
        if text == "now":
            return clock.now()
        if text == "1 day ago":
            return clock.now() - timedelta(days=1)
        try:
            return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))
        except ValueError:
            raise ConfigError(f"expected a time such as 22:14, got {text!r}") from None

    values: dict[str, Any] = {
        "site_name": "depot",
        "zone": ZoneInfo("Europe/Berlin"),
        "cameras": {"yard": ("outside",), "gate": ()},
        "rules": {rule.id: rule for rule in rules},
        "incidents": stores.incidents,
        "evidence": stores.evidence,
        "accounts": PlainAccounts(),
        "read_time": read_time,
        "words": lambda: None,
        "clock": clock,
    }
    return Archive(**values | given)


Turn = Message | BaseException | Callable[[Sequence[Message], Sequence[Tool]], Message]


@dataclass
class ScriptedChat:
    """A `ChatModel` that says (or raises) what its script says, the last entry for ever."""

    script: list[Turn]
    model_id: str = "scripted"
    heard: list[tuple[list[Message], list[Tool]]] = field(default_factory=list)

    def chat(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Message:
        self.heard.append((list(messages), list(tools)))
        turn = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(turn, BaseException):
            raise turn
        return turn if isinstance(turn, Message) else turn(messages, tools)

    def close(self) -> None:
        """Nothing to free."""


def says(text: str) -> Message:
    """A turn of words."""
    return Message("assistant", (TextPart(text),))


def calls(name: str, arguments: Mapping[str, Any] | str = "{}", *, call_id: str = "c1") -> Message:
    """A turn that calls one tool."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return Message("assistant", (), (ToolCall(call_id, name, text),))


def text_of(message: Message) -> str:
    """The words of a turn."""
    return "\n".join(part.text for part in message.parts if isinstance(part, TextPart))


def calling(*wanted: tuple[str, Any]) -> Reply:
    """A chat completion that calls tools; arguments as text, or as an object to be written as JSON."""
    listed = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for number, (name, given) in enumerate(wanted)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": listed}
    return Reply(body={"choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}]})
