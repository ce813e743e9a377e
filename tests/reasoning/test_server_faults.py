"""Each fault of a model server gives a defined assessment, never an exception and never a lost candidate."""

from __future__ import annotations

import json
import socket

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Assessment, Verdict
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.reasoning.vlm_openai import OpenAiVlm
from pipeline.settings import ReasoningSettings
from tests.support.reasoning import GOOD_REPORT, Reply, Script, completion, in_turn, request, serving, well_behaved

KEY = "sk-very-secret-key"
SETTINGS = ReasoningSettings(timeout=0.4, attempts=2)
YES = completion("Yes", {"Yes": 0.9, "No": 0.1})
WRONG_FRAMES = json.dumps(GOOD_REPORT | {"frames": [1, 9]})
ERROR_500 = Reply(500, {"error": {"message": f"boom with {KEY}"}})


def _assess(url: str) -> Assessment:
    model = OpenAiVlm(url, "tiny", KEY, SETTINGS)
    try:
        assessment = VlmReasoner(model, SETTINGS, ManualClock()).assess(request())
    finally:
        model.close()
    text = assessment.model_dump_json()
    assert Assessment.model_validate_json(text) == assessment
    assert KEY not in text
    return assessment


@pytest.mark.parametrize(
    ("script", "verdict", "says"),
    [
        pytest.param(well_behaved("yes"), "confirmed", "A person climbs the fence.", id="well"),
        pytest.param(well_behaved("no"), "rejected", "says no", id="no"),
        pytest.param(in_turn(Reply(is_stuck=True)), "unverified", "within 0.4 s", id="slow"),
        pytest.param(in_turn(Reply(429, {"error": {"message": "busy"}})), "unverified", "429", id="429"),
        pytest.param(in_turn(Reply(429, b"", {"retry-after": "9999"})), "unverified", "429", id="429 for long"),
        pytest.param(in_turn(ERROR_500), "unverified", "failed (500): boom with ***", id="500"),
        pytest.param(in_turn(ERROR_500, well_behaved()), "confirmed", "climbs", id="500 once"),
        pytest.param(in_turn(Reply(200, b'{"cho', is_cut=True)), "unverified", "no whole answer", id="cut stream"),
        pytest.param(in_turn(Reply(200, b"<html>hello")), "unverified", "not JSON", id="invalid JSON"),
        pytest.param(in_turn(Reply(200, b"")), "unverified", "not JSON", id="empty body"),
        pytest.param(in_turn(Reply(200, [])), "unverified", "JSON object", id="a list"),
        pytest.param(in_turn(Reply(200, {"choices": []})), "unverified", "without choices", id="no choices"),
        pytest.param(in_turn(completion("")), "unverified", "expected the model to answer", id="empty answer"),
        pytest.param(in_turn(completion(None)), "unverified", "expected the model to answer", id="null answer"),
        pytest.param(in_turn(completion("yes no " * 57_000)), "unverified", "something else", id="100k tokens"),
        pytest.param(in_turn(Reply(200, b"x" * 3_000_000)), "unverified", "larger than 2,000,000", id="3 MB"),
        pytest.param(in_turn(Reply(400, {"error": "too long"})), "unverified", "(400): too long", id="400"),
        pytest.param(in_turn(Reply(401, {"error": {}})), "unverified", "check models.vlm_api_key", id="401"),
        pytest.param(in_turn(Reply(403, b"")), "unverified", "check models.vlm_api_key", id="403"),
        pytest.param(in_turn(Reply(404, b"")), "unverified", "ends with /v1", id="404"),
        pytest.param(in_turn(Reply(413, b"")), "unverified", "max_side_px", id="413"),
        pytest.param(in_turn(Reply(307, b"", {"location": "/x"})), "unverified", "final URL", id="redirect"),
        pytest.param(in_turn(YES, completion(WRONG_FRAMES)), "unverified", "not sent: [9]", id="wrong frame ids"),
        pytest.param(in_turn(YES, completion("Sure!")), "unverified", "not whole JSON", id="report is prose"),
        pytest.param(in_turn(YES, completion("x " * 100_000)), "unverified", "characters", id="report of 100k tokens"),
        pytest.param(in_turn(YES, ERROR_500), "confirmed", "no report", id="500 at the report"),
        pytest.param(in_turn(YES, Reply(413, b"")), "confirmed", "no report", id="413 at the report"),
        pytest.param(well_behaved(ignores_logprobs=True), "confirmed", "climbs", id="no logprobs"),
        pytest.param(well_behaved(refuses=frozenset({"logprobs"})), "confirmed", "climbs", id="refuses logprobs"),
        pytest.param(
            well_behaved(refuses=frozenset({"logprobs", "json_schema"})),
            "confirmed",
            "climbs",
            id="refuses json_schema",
        ),
        pytest.param(
            well_behaved(refuses=frozenset({"logprobs", "json_schema", "json_object"})),
            "confirmed",
            "climbs",
            id="knows plain text only",
        ),
    ],
)
def test_a_fault_gives_a_defined_assessment(script: Script, verdict: str, says: str) -> None:
    """Verdict and reason are as stated, the assessment can be stored, and the key is nowhere in it."""
    with serving(script) as server:
        assessment = _assess(server.url)
    assert assessment.verdict == verdict
    assert says in assessment.reason


def test_a_server_that_is_not_there_gives_unverified() -> None:
    """A refused connection is an assessment too."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assessment = _assess(f"http://127.0.0.1:{port}/v1")
    assert assessment.verdict is Verdict.UNVERIFIED
    assert "no whole answer from the model server" in assessment.reason
    assert assessment.attempts == 2
