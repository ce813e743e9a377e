"""A real server that others wrote, `transformers serve`, over a tiny Idefics3 (SmolVLM) with random weights.

It ignores what it does not know (log probabilities, structured output, tools of models without a parser of calls),
fails with 500 on what it cannot load, and closes the connection with it: a server that promises less than most.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Assessment, ImagePart, TextPart, Verdict
from pipeline.contracts.chat import Message, Tool, ToolCall
from pipeline.errors import InvalidMessage, TransientError
from pipeline.reasoning.chat_openai import OpenAiChat
from pipeline.reasoning.http import JsonHttp
from pipeline.reasoning.meter import MeteredModel, metering
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.reasoning.schema import parse_report, report_schema
from pipeline.reasoning.vlm_openai import OpenAiVlm
from pipeline.settings import ReasoningSettings
from tests.support.archive import ScriptedChat, says
from tests.support.reasoning import frame, jpeg, make_idefics3, prompt, request
from tests.support.transformers_serve import TransformersServer, transformers_serve

pytestmark = pytest.mark.models

SETTINGS = ReasoningSettings(timeout=60, max_report_tokens=64, attempts=1)
IDEFICS3, NO_TEMPLATE = "idefics3", "no_template"
TOOL = Tool("look", "Looks.", {"type": "object", "properties": {"text": {"type": "string"}}})
ASKED = (Message("system", (TextPart("You answer."),)), Message("user", (TextPart("Who?"),)))
LOOKED = (
    Message("assistant", (), (ToolCall("c1", "look", "{}"),)),
    Message("tool", (TextPart('{"a": 1}'), ImagePart(jpeg())), call_id="c1"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    make_idefics3(folder / IDEFICS3)
    make_idefics3(folder / NO_TEMPLATE, chat_template=False)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[TransformersServer]:
    with transformers_serve(folder) as server:
        yield server


@pytest.fixture
def model(server: TransformersServer, folder: Path) -> Iterator[OpenAiVlm]:
    model = OpenAiVlm(server.url, str(folder / IDEFICS3), None, SETTINGS)
    yield model
    model.close()


def _assess(server: TransformersServer, folder: Path, **settings: Any) -> Assessment:
    given = SETTINGS.model_copy(update=settings)
    reasoner = VlmReasoner(OpenAiVlm(server.url, str(folder), None, given), given, ManualClock())
    reasoner.warm_up()
    assessment = reasoner.assess(request(tuple(frame(number) for number in range(8))))
    reasoner.close()
    assert Assessment.model_validate_json(assessment.model_dump_json()) == assessment
    return assessment


def test_a_verdict_comes_without_log_probabilities(server: TransformersServer, model: OpenAiVlm) -> None:
    """The server leaves them out: the word counts, and it is not asked for them again, whatever it writes then."""
    model.warm_up()
    before = server.count("'logprobs'")
    answer = model.verdict(prompt())
    with suppress(InvalidMessage):
        model.verdict(prompt())
    assert sorted((answer.yes, answer.no, answer.cannot_tell)) == [0, 0, 1]
    assert server.count("'logprobs'") == before + 1


def test_a_report_ends_at_its_limit(model: OpenAiVlm) -> None:
    """Random weights never stop by themselves; the schema is ignored, and what comes is no report."""
    with metering() as meter:
        text = MeteredModel(model, ManualClock()).report(prompt(num_pictures=3), report_schema(3))
    assert text
    assert meter.usage(SETTINGS).output_tokens == SETTINGS.max_report_tokens
    with pytest.raises(InvalidMessage, match="not whole JSON"):
        parse_report(text, 3)


def test_nonsense_ends_unverified(server: TransformersServer, folder: Path) -> None:
    """What random weights write confirms and rejects nothing, and the tokens it took are known."""
    assessment = _assess(server, folder / IDEFICS3)
    assert assessment.verdict is Verdict.UNVERIFIED
    assert assessment.raw_answer or "wrote something else" in assessment.reason
    assert assessment.usage is not None
    assert not assessment.usage.is_estimated


@pytest.mark.parametrize("name", [NO_TEMPLATE, "nothing"])
def test_a_model_that_cannot_be_served_ends_unverified(server: TransformersServer, folder: Path, name: str) -> None:
    """Without a chat template, or not there at all: the server fails, each try says so, and no connection is reset."""
    assessment = _assess(server, folder / name, attempts=3)
    assert (assessment.verdict, assessment.attempts) == (Verdict.UNVERIFIED, 3)
    assert "the model server failed (500)" in assessment.reason


def test_a_connection_closed_behind_a_failure_is_opened_again(server: TransformersServer, folder: Path) -> None:
    """The server closes a connection with its 500 and does not say so: the next request is answered all the same."""
    http = JsonHttp(server.url, None, 60.0)
    for _ in range(5):
        with pytest.raises(TransientError, match=r"failed \(500\)"):
            http.post("/chat/completions", {"model": str(folder / "nothing"), "messages": []})
        assert http.get("/models")["object"] == "list"
    http.close()


def test_threads_get_their_own_answers(model: OpenAiVlm) -> None:
    """Eight at a time give what one after the other gives."""
    prompts = [prompt(num_pictures=1 + number % 3) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda one: model.report(one, {}), prompts))
    assert together == [model.report(one, {}) for one in prompts]


@pytest.mark.parametrize("messages", [ASKED, (*ASKED, *LOOKED)], ids=["a question", "a tool's answer with a picture"])
def test_a_conversation_with_tools_is_held(
    server: TransformersServer, folder: Path, messages: tuple[Message, ...]
) -> None:
    """Tools, calls and their answers are taken; a model that calls none has said words."""
    chat = OpenAiChat(server.url, str(folder / IDEFICS3), None, SETTINGS, ScriptedChat([says("by steps")]))
    turn = chat.chat(messages, [TOOL])
    chat.close()
    assert turn.calls == ()
    assert turn.parts
    assert turn != says("by steps")


def test_typed_decisions_do_not_carry_a_verdict(server: TransformersServer, folder: Path) -> None:
    """`/v1/systemone` gives a probability of yes from words alone; of pictures it takes four at most, and a verdict
    has eight: why the verdict is not asked there."""
    picture = {"data_base64": base64.b64encode(jpeg()).decode()}

    def ask(num_pictures: int) -> httpx.Response:
        names = [f"<picture-{number}>" for number in range(num_pictures)]
        question = {"smoke": {"type": "noul", "instructions": "Is there smoke?"}}
        body = {"model": str(folder / IDEFICS3), "state": " ".join(["Seen:", *names]), "questions": question}
        return httpx.post(f"{server.url}/systemone", json={**body, "assets": dict.fromkeys(names, picture)}, timeout=60)

    assert 0 < ask(0).json()["answers"]["smoke"]["noul"] < 1
    assert ask(5).status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert "at most 4 items" in ask(5).text
