"""A site that works in Chinese: asked for, answered, checked, stored and shown again, over a real HTTP server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pipeline.clock import SystemClock
from pipeline.contracts.assessment import Assessment, RequestContext, SceneCard, Verdict
from pipeline.contracts.rule import Rule
from pipeline.incidents.recorder import IncidentRecorder
from pipeline.reasoning.context import estimate_tokens
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.reasoning.schema import report_schema
from pipeline.reasoning.vlm_openai import OpenAiVlm
from pipeline.settings import ReasoningSettings
from pipeline.store.database import Database
from pipeline.store.incident_store import SqlIncidentStore
from tests.support.context import precedent
from tests.support.reasoning import GOOD_REPORT, ScriptedServer, request, serving, well_behaved
from tests.support.store import make_candidate, sqlite_url

RULE = Rule(id="climb", when="有人翻越围墙", zone="fence")
CONTEXT = RequestContext(
    SceneCard(place="仓库的装卸区", normal=("早上有卡车倒车",), hazards=("通往铁路的围墙",)),
    "只关心人，不关心动物。",
    (precedent(words="园丁在围墙边", outcome="a person said: a false alarm (是园丁)"),),
    ("有人在围墙外侧吗？",),
)
REPORT: dict[str, Any] = GOOD_REPORT | {
    "elements": [{"name": "人", "frame": 1, "box": [100, 200, 300, 600]}],
    "relations": [{"subject": "人", "kind": "on", "relation": "在上面", "object": "人", "frame": 1}],
    "actions": [{"who": "人", "what": "翻越围墙", "first_frame": 1, "last_frame": 2}],
    "title": "有人翻越围墙",
    "explanation": "一名身穿深色外套的人翻越了围墙，进入院子。",
    "severity_reason": "现在是夜间。",
    "forecasts": [{"what": "此人将到达仓库大门", "within_seconds": 20, "probability": 70}],
    "forecast": "此人将到达仓库大门。",
    "advice": "请派保安查看。",
}


def assessed(server: ScriptedServer, report: dict[str, Any] = REPORT) -> Assessment:
    server.script = well_behaved("是", json.dumps(report, ensure_ascii=False))
    model = OpenAiVlm(server.url, "tiny", "", ReasoningSettings(timeout=5))
    wanted = request(rule=RULE, language="zh", site_name="depot", context=CONTEXT)
    try:
        return VlmReasoner(model, ReasoningSettings(timeout=5, second_looks=0), SystemClock()).assess(wanted)
    finally:
        model.close()


def words_of(body: dict[str, Any]) -> str:
    """What one request told in words."""
    return "\n".join(part["text"] for part in body["messages"][1]["content"] if part["type"] == "text")


def test_the_report_is_asked_for_in_chinese_with_the_sites_own_words() -> None:
    """Rule, card, policy, checklist and precedent stand there as they were written."""
    with serving(well_behaved()) as server:
        assessed(server)
        asked = words_of(server.bodies[-1])
    assert "所有文字内容请用简体中文书写" in asked
    for words in ("有人翻越围墙", "Place: 仓库的装卸区", "只关心人", "有人在围墙外侧吗？", "园丁在围墙边", "(是园丁)"):
        assert words in asked


def test_a_chinese_answer_is_read_and_its_report_kept() -> None:
    """`是` is yes; the report follows the schema that was sent, and is kept word for word."""
    jsonschema.validate(REPORT, report_schema(2))
    with serving(well_behaved()) as server:
        told = assessed(server)
    assert told.verdict is Verdict.CONFIRMED
    assert told.report is not None
    assert (told.report.title, told.report.advice) == (REPORT["title"], REPORT["advice"])
    assert told.reason == REPORT["explanation"]
    assert told.report.forecasts[0].what == "此人将到达仓库大门"


def test_overlong_chinese_is_cut_by_characters_not_by_bytes() -> None:
    """No character is broken in two."""
    with serving(well_behaved()) as server:
        told = assessed(server, REPORT | {"title": "围" * 500, "explanation": "墙" * 5000})
    assert told.report is not None
    assert told.report.title == "围" * 119 + "…"
    assert told.report.explanation == "墙" * 599 + "…"


@pytest.mark.parametrize("budget", [60, 120, 400])
def test_chinese_keeps_to_the_budget_in_the_prompt(budget: int) -> None:
    """By the estimate, which counts a Chinese character as its three bytes."""
    with serving(well_behaved("no")) as server:
        model = OpenAiVlm(server.url, "tiny", "", ReasoningSettings(timeout=5))
        settings = ReasoningSettings(timeout=5, context_tokens=budget)
        VlmReasoner(model, settings, SystemClock()).assess(request(rule=RULE, language="zh", context=CONTEXT))
        model.close()
        parts = [part.get("text", "") for part in server.bodies[0]["messages"][1]["content"]]
    told = [text for text in parts if text.startswith("What is known")]
    assert sum(map(estimate_tokens, told)) <= budget
    assert bool(told) == (budget > 60)


def test_it_comes_back_from_the_database_as_it_went_in(tmp_path: Path) -> None:
    """Every character."""
    with serving(well_behaved()) as server:
        told = assessed(server)
    database = Database(sqlite_url(tmp_path))
    database.migrate()
    store = SqlIncidentStore(database)
    recorder = IncidentRecorder(store, lambda _: [], SystemClock())
    candidate = make_candidate(rule_id=RULE.id)
    recorder.candidate(candidate, will_verify=True)
    recorder.assessment(told.model_copy(update={"candidate_id": candidate.id}))
    kept = store.get(candidate.id)
    database.close()
    assert kept is not None
    assert kept.assessment is not None
    assert kept.assessment.report == told.report
    assert kept.assessment.reason == REPORT["explanation"]
