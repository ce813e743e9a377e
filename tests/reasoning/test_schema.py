"""The report's schema, and reading what came back."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from pipeline.contracts.assessment import RelationKind
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
    assert len(_objects(schema)) == 5
    assert all(each["additionalProperties"] is False for each in _objects(schema))
    assert all(list(each["properties"]) == each["required"] for each in _objects(schema))
    assert tuple(schema["properties"]) == KEY_ORDER
    assert "$" not in json.dumps(schema)


def test_every_text_and_list_is_bounded() -> None:
    """No string and no array of the schema can grow without end."""

    def check(node: Any) -> None:
        if isinstance(node, dict):
            assert node.get("type") != "string" or "maxLength" in node or "enum" in node
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
        pytest.param(json.dumps(GOOD_REPORT | {"actions": [{"who": "cat"}]}), "actions.0.what", id="half an action"),
        pytest.param(json.dumps(GOOD_REPORT | {"title": 5}), "title", id="wrong type"),
        pytest.param(
            json.dumps(GOOD_REPORT | {"forecasts": [{"what": "x", "within_seconds": float("nan"), "probability": 5}]}),
            "within_seconds",
            id="not a number",
        ),
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
        pytest.param({"colour": "red"}, "title", "Person on the fence", id="unknown key"),
        pytest.param({"severity": "grave"}, "severity", None, id="unknown severity"),
        pytest.param({"severity": ["high"]}, "severity", None, id="severity that is no word"),
        pytest.param({"elements": [{"name": "cat", "frame": 9}]}, "title", "Person on the fence", id="a claim's frame"),
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


@pytest.mark.parametrize(
    ("relation", "kind", "words"),
    [
        pytest.param({"kind": "on", "relation": "on top of"}, RelationKind.ON, "on top of", id="both"),
        pytest.param({"kind": "vaults over"}, RelationKind.OTHER, "vaults over", id="another kind"),
        pytest.param({"kind": "holds"}, RelationKind.HOLDS, "holds", id="no words"),
        pytest.param({"relation": "near"}, RelationKind.OTHER, "near", id="no kind"),
        pytest.param({"kind": ["on"], "relation": "near"}, RelationKind.OTHER, "near", id="no word"),
        pytest.param({"kind": "x" * 200}, RelationKind.OTHER, "x" * 79 + "…", id="many words"),
    ],
)
def test_a_relation_is_of_a_closed_list_and_in_free_words(
    relation: dict[str, Any], kind: RelationKind, words: str
) -> None:
    """A kind that is not in the list becomes the free words, where there are none."""
    given = {"subject": "man", "object": "fence", "frame": 1} | relation
    read = parse_report(json.dumps(GOOD_REPORT | {"relations": [given]}), 2).relations[0]
    assert (read.kind, read.relation) == (kind, words)


@pytest.mark.parametrize(
    ("probability", "within", "wanted"),
    [
        pytest.param(70, 10, (0.7, 10), id="percent"),
        pytest.param(1, 10, (0.01, 10), id="one percent"),
        pytest.param(0.7, 5.4, (0.7, 5), id="a fraction, and part of a second"),
        pytest.param(70.0, 86_400, (0.7, 600), id="within a day"),
        pytest.param(0, 0, (0.0, 1), id="at once"),
    ],
)
def test_forecasts_are_whole_percent_and_bounded_seconds(
    probability: float, within: float, wanted: tuple[float, int]
) -> None:
    """Probabilities become fractions, times the nearest that the contract takes."""
    given = {"what": "He runs.", "within_seconds": within, "probability": probability}
    read = parse_report(json.dumps(GOOD_REPORT | {"forecasts": [given]}), 2).forecasts[0]
    assert (read.probability, read.within_seconds) == wanted
