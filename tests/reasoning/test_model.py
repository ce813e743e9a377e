"""The `vlm:` of a site file."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigError
from pipeline.reasoning.model import load_model
from pipeline.settings import ReasoningSettings

SETTINGS = ReasoningSettings()


def test_none_is_no_model() -> None:
    """`none` gives None."""
    assert load_model("none", SETTINGS, api_key=None) is None


@pytest.mark.parametrize(
    ("spec", "model_id"),
    [
        ("openai:http://vllm:8000/v1#Qwen/Qwen3-VL-8B-Instruct", "openai:Qwen/Qwen3-VL-8B-Instruct"),
        ("openai:https://api.example.org/v1/#gpt", "openai:gpt"),
        ("HuggingFaceTB/SmolVLM2-256M-Video-Instruct", "HuggingFaceTB/SmolVLM2-256M-Video-Instruct"),
        ("/models/vlm", "/models/vlm"),
    ],
)
def test_a_spec_names_its_backend(spec: str, model_id: str) -> None:
    """The backend is made without touching network or files, and says which model it is."""
    model = load_model(spec, SETTINGS, api_key="sk-secret")
    assert model is not None
    assert model.model_id == model_id
    model.close()


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("", id="empty"),
        pytest.param("openai:", id="no URL"),
        pytest.param("openai:http://vllm:8000/v1", id="no model"),
        pytest.param("openai:vllm:8000/v1#qwen", id="no scheme"),
        pytest.param("openai:ftp://vllm/v1#qwen", id="wrong scheme"),
        pytest.param("openai:http://vllm:99999/v1#qwen", id="impossible port"),
        pytest.param("openai:http://me:hunter22@vllm/v1#qwen", id="password in the URL"),
        pytest.param("openai:http://vllm/v1?key=hunter22#qwen", id="key in the URL"),
        pytest.param("ollama:qwen", id="unknown kind"),
    ],
)
def test_a_wrong_spec_is_refused(spec: str) -> None:
    """The message names the key and shows no secret."""
    with pytest.raises(ConfigError, match=r"models\.vlm") as caught:
        load_model(spec, SETTINGS, api_key=None)
    assert "hunter22" not in str(caught.value)


def test_a_key_that_cannot_be_sent_is_refused_unseen() -> None:
    """A key with a line break in it would end in an error message; it is refused without being shown."""
    with pytest.raises(ConfigError, match="vlm_api_key") as caught:
        load_model("openai:http://vllm/v1#qwen", SETTINGS, api_key="sk-one\nsk-two")
    assert "sk-" not in str(caught.value)
