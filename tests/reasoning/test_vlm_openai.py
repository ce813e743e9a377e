"""How a model server is asked, and what is remembered of it."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from pipeline.clock import SystemClock
from pipeline.errors import ConfigError, InvalidMessage
from pipeline.reasoning.reasoner import VlmReasoner
from pipeline.reasoning.schema import report_schema
from pipeline.reasoning.vlm_openai import OpenAiVlm
from pipeline.settings import ReasoningSettings
from tests.support.reasoning import (
    Reply,
    Script,
    ScriptedServer,
    completion,
    in_turn,
    jpeg,
    prompt,
    serving,
    well_behaved,
)

SETTINGS = ReasoningSettings(timeout=2)


def _model(server: ScriptedServer, name: str = "tiny") -> OpenAiVlm:
    return OpenAiVlm(server.url, name, "sk-very-secret-key", SETTINGS)


def _forms(server: ScriptedServer) -> list[str]:
    """The form each completion was asked in."""
    formats = [body.get("response_format", {}).get("type", "text") for body in server.bodies]
    return ["logprobs" if body.get("logprobs") else form for body, form in zip(server.bodies, formats, strict=True)]


def test_words_and_pictures_go_in_order() -> None:
    """The user's message holds the parts in order, pictures as data URLs; the key goes as a bearer."""
    with serving(well_behaved()) as server:
        model = _model(server)
        model.verdict(prompt())
        model.close()
    _, headers, body = server.requests[0]
    system, user = body["messages"]
    assert system == {"role": "system", "content": "You check alarms."}
    assert [part["type"] for part in user["content"]] == ["text", "image_url", "text"]
    url = user["content"][1]["image_url"]["url"]
    assert base64.b64decode(url.removeprefix("data:image/jpeg;base64,")) == jpeg()
    assert headers["authorization"] == "Bearer sk-very-secret-key"
    assert (body["model"], body["max_tokens"], body["top_logprobs"]) == ("tiny", 1, 20)


def test_probabilities_are_shared_out_among_the_words() -> None:
    """Spellings of one word add up; what is none of the words does not count."""
    top = {" Yes": 0.3, "yes": 0.1, "是": 0.1, "No": 0.2, "can": 0.1, "The": 0.2}
    with serving(in_turn(completion("Yes", top))) as server:
        model = _model(server)
        answer = model.verdict(prompt())
        model.close()
    assert (answer.yes, answer.no, answer.cannot_tell) == pytest.approx((0.625, 0.25, 0.125))


@pytest.mark.parametrize(
    ("script", "first", "later"),
    [
        pytest.param(well_behaved(), ["logprobs"], ["logprobs"], id="knows all"),
        pytest.param(well_behaved(ignores_logprobs=True), ["logprobs"], ["json_schema"], id="leaves logprobs out"),
        pytest.param(
            well_behaved(refuses=frozenset({"logprobs", "json_schema"})),
            ["logprobs", "json_schema", "json_object"],
            ["json_object"],
            id="refuses two",
        ),
    ],
)
def test_what_a_server_does_not_know_is_remembered(script: Script, first: list[str], later: list[str]) -> None:
    """The second verdict begins with the form that worked."""
    with serving(script) as server:
        model = _model(server)
        assert model.verdict(prompt()).yes > 0.9
        assert _forms(server) == first
        assert model.verdict(prompt()).yes > 0.9
        assert _forms(server) == first + later
        model.close()


def test_a_prompt_refused_in_every_form_teaches_nothing() -> None:
    """A prompt that is too long does not make the next one be asked in a worse form."""
    refusal = Reply(400, {"error": {"message": "the prompt is too long"}})
    with serving(in_turn(refusal, refusal, refusal, refusal, well_behaved())) as server:
        model = _model(server)
        with pytest.raises(InvalidMessage, match="too long"):
            model.verdict(prompt())
        model.verdict(prompt())
        model.close()
    assert _forms(server)[-1] == "logprobs"


def test_a_model_that_begins_otherwise_is_asked_in_another_form() -> None:
    """A preamble has no probability of yes; structured output does not allow one."""
    preamble = completion("The", {"The": 0.98, "Yes": 0.01})
    with serving(in_turn(preamble, well_behaved("no"))) as server:
        model = _model(server)
        assert model.verdict(prompt()).no == 1.0
        model.close()
    assert _forms(server) == ["logprobs", "json_schema"]


def test_free_text_is_never_searched() -> None:
    """`Yes, because …` is no answer when one word was asked for."""
    with serving(in_turn(completion("Yes, because no one is there"))) as server:
        model = _model(server)
        with pytest.raises(InvalidMessage, match="something else"):
            model.verdict(prompt())
        model.close()


def test_the_report_is_asked_for_by_its_schema() -> None:
    """The schema goes along, strict, with the limit of tokens."""
    with serving(well_behaved()) as server:
        model = _model(server)
        model.report(prompt(), report_schema(1))
        model.close()
    form = server.bodies[0]["response_format"]
    assert form["json_schema"]["strict"] is True
    assert form["json_schema"]["schema"] == report_schema(1)
    assert server.bodies[0]["max_tokens"] == SETTINGS.max_report_tokens


def test_parameters_a_server_has_no_use_for_are_dropped() -> None:
    """OpenAI's reasoning models know neither `max_tokens` nor a temperature."""

    def picky(path: str, body: Mapping[str, Any]) -> Reply:
        for name in ("max_tokens", "temperature"):
            if name in body:
                return Reply(400, {"error": {"message": f"Unsupported parameter: '{name}'"}})
        return completion("Yes", {"Yes": 1.0})

    with serving(picky) as server:
        model = _model(server)
        assert model.verdict(prompt()).yes == 1.0
        model.close()
    assert len(server.bodies) == 3
    assert server.bodies[-1]["max_completion_tokens"] == 1


def test_a_model_the_server_does_not_know_is_refused_at_the_start() -> None:
    """The message names what the server has."""
    with serving(well_behaved()) as server:
        model = _model(server, "huge")
        with pytest.raises(ConfigError, match=r"does not know the model 'huge'; it has tiny"):
            model.warm_up()
        model.close()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(500, b"no"), id="500"),
        pytest.param(Reply(404, b"no"), id="no such path"),
        pytest.param(Reply(401, b"no"), id="401"),
        pytest.param(Reply(200, b"hello"), id="not JSON"),
    ],
)
def test_a_server_that_is_not_ready_does_not_stop_the_start(reply: Reply) -> None:
    """It may come later; a warning says so."""
    with serving(lambda path, body: reply) as server, structlog.testing.capture_logs() as logs:
        reasoner = VlmReasoner(_model(server), ReasoningSettings(), SystemClock())
        reasoner.warm_up()
        reasoner.close()
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert "sk-very" not in str(logs)


def test_a_certificate_nobody_vouches_for_is_named() -> None:
    """The message says certificate and the way out, and it is not retried."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parent / "self_signed.pem")
    with serving(well_behaved()) as server:
        server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
        model = OpenAiVlm(server.url.replace("http:", "https:"), "tiny", None, SETTINGS)
        with pytest.raises(InvalidMessage, match=r"certificate .* SSL_CERT_FILE"):
            model.verdict(prompt())
        model.close()


def test_tls_with_a_plain_server_is_named() -> None:
    """`https://` where the server speaks plain HTTP is told as such."""
    with serving(well_behaved()) as server:
        model = OpenAiVlm(server.url.replace("http:", "https:"), "tiny", None, SETTINGS)
        with pytest.raises(InvalidMessage, match="is it http://"):
            model.verdict(prompt())
        model.close()
