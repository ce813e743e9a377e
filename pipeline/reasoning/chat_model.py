"""The `vlm:` of a site file → a model that holds a conversation."""

from __future__ import annotations

from pipeline.contracts.chat import ChatModel
from pipeline.errors import ConfigError
from pipeline.reasoning.chat_openai import OpenAiChat
from pipeline.reasoning.chat_steps import StepsChat
from pipeline.reasoning.model import load_model
from pipeline.settings import ReasoningSettings

_SERVER = "openai:"


def load_chat_model(spec: str, settings: ReasoningSettings, *, api_key: str | None) -> ChatModel:
    """A conversation with what `spec` names, ready to answer.

    Raises:
        ConfigError: No model is named, or it cannot be had.
        TransientError: Its server does not answer now.
    """
    model = load_model(spec, settings, api_key=api_key)
    if model is None:
        raise ConfigError(
            "questions need a model: set models.vlm in the site file, to openai:URL#model or to a model's id or folder"
        )
    model.warm_up()
    steps = StepsChat(model)
    if not spec.strip().startswith(_SERVER):
        return steps
    base_url, _, name = spec.strip().removeprefix(_SERVER).partition("#")
    return OpenAiChat(base_url.rstrip("/"), name.strip(), api_key, settings, otherwise=steps)
