"""The report's schema, and reading what came back."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from pipeline.errors import InvalidMessage
from pipeline.reasoning.schema import KEY_ORDER, parse_report, report_schema
from tests.support.reasoning import GOOD_REPORT


def _objects(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for each in node for found in _objects(each)]
    if not isinstance(node, dict):
        return []
    here = [node] if node.get("type") == "object" else []
    return here + [found for each in node.values() for found in _objects(each)]


def test_the_schema_is_strict() -> None:
    """Every object is closed and requires every key, evidence comes first, nothing is referred to."""
    schema = report_schema(3)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert len(_objects(schema)) == 3
    assert all(each["additionalProperties"] is False for each in _objects(schema))
    assert all(list(each["properties"]) == each["required"] for each in _objects(schema))
    assert tuple(schema["properties"]) == KEY_ORDER
    assert "$" not in json.dumps(schema)


def test_every_text_and_list_is_bounded() -> None:
    """No string and no array of the schema can grow without end."""

    def check(node: Any) -> None:
        if isinstance(node, dict):
            assert node.get("type") != "string" or "maxLength" in node
            assert node.get("type") != "array" or "maxItems" in node
            node = list(node.values())
        for each in node if isinstance(node, list) else ():
            check(each)

    check(report_schema(8))


def test_what_follows_the_schema_is_read() -> None:
    """A whole report becomes the contract's, its boxes fractions."""
    jsonschema.validate(GOOD_REPORT, report_schema(2))
    report = parse_report(json.dumps(GOOD_REPORT), 2)
    assert report.elements[0].box == (0.1, 0.2, 0.3, 0.6)
    assert report.frames == (1, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "not whole JSON", id="empty"),
        pytest.param("I see a person.", "not whole JSON", id="prose"),
        pytest.param(json.dumps(GOOD_REPORT)[:-20], "not whole JSON", id="cut off"),
        pytest.param("[" * 40_000, "not whole JSON", id="nested without end"),
        pytest.param("x" * 400_000, "characters", id="100k tokens"),
        pytest.param("[1]", "JSON object", id="not an object"),
        pytest.param("{}", "required", id="nothing in it"),
        pytest.param(json.dumps(GOOD_REPORT | {"frames": [1, 3]}), "not sent: [3]", id="frame not sent"),
        pytest.param(json.dumps(GOOD_REPORT | {"frames": [0]}), "not sent: [0]", id="frame zero"),
        pytest.param(json.dumps(GOOD_REPORT | {"frames": []}), "no frame", id="no evidence"),
        pytest.param(json.dumps(GOOD_REPORT | {"elements": [{"name": "cat", "frame": 9}]}), "not sent", id="element"),
        pytest.param(json.dumps(GOOD_REPORT | {"title": 5}), "title", id="wrong type"),
    ],
)
def test_what_does_not_hold_is_refused(text: str, says: str) -> None:
    """An answer that does not parse or cites what was not sent is an invalid message that says so."""
    with pytest.raises(InvalidMessage, match=says.replace("[", r"\[")):
        parse_report(text, 2)


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        pytest.param({"title": "t" * 500}, "title", "t" * 119 + "…", id="long title"),
        pytest.param({"severity": "high"}, "title", "Person on the fence", id="unknown key"),
        pytest.param({"title": "a\x00b\ud800"}, "title", "ab?", id="NUL and half a character"),
        pytest.param({"relations": GOOD_REPORT["relations"] * 30}, "advice", "Send a guard.", id="long list"),
    ],
)
def test_small_faults_are_mended(change: dict[str, Any], field: str, value: str) -> None:
    """A bound overrun or an unknown key does not cost the report."""
    report = parse_report("```json\n" + json.dumps(GOOD_REPORT | change) + "\n```", 2)
    assert getattr(report, field) == value


@pytest.mark.parametrize("box", [[5, 5, 5, 9], [0, 0, 2000, 10], [1, 2], "left", None, [1, 2, 3, "x"]])
def test_a_box_around_nothing_is_left_out(box: object) -> None:
    """The element stays, without its box."""
    report = parse_report(json.dumps(GOOD_REPORT | {"elements": [{"name": "cat", "frame": 1, "box": box}]}), 2)
    assert report.elements[0].box is None
