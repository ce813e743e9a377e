"""The `vlm:` of a site file → a backend."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pipeline.contracts.assessment import VisionLanguageModel
from pipeline.errors import ConfigError
from pipeline.reasoning.vlm_openai import OpenAiVlm
from pipeline.reasoning.vlm_transformers import TransformersVlm
from pipeline.settings import ReasoningSettings
from pipeline.telemetry import hide_credentials

_EXPECTED = (
    "expected none, openai:URL#model (such as openai:http://localhost:8000/v1#Qwen/Qwen3-VL-8B-Instruct), "
    "or a Hugging Face id or folder"
)


def load_model(spec: str, settings: ReasoningSettings, *, api_key: str | None) -> VisionLanguageModel | None:
    """The backend `spec` names, not yet warmed up; None for `none`. `ConfigError` when it names nothing.

    Touches neither the network nor a file.
    """
    spec = spec.strip()
    if spec == "none":
        return None
    if spec.startswith("openai:"):
        base_url, model = _parse_openai(spec)
        return OpenAiVlm(base_url, model, api_key, settings)
    if not spec or re.match(r"[a-z]{2,}:", spec):
        raise ConfigError(f"models.vlm: {_EXPECTED}; got {hide_credentials(spec)!r}")
    return TransformersVlm(spec, settings)


def _parse_openai(spec: str) -> tuple[str, str]:
    """Base URL and model of `openai:URL#model`."""
    base_url, _, model = spec.removeprefix("openai:").partition("#")
    shown = hide_credentials(spec)
    try:
        url = urlsplit(base_url)
        is_usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not model.strip():
        raise ConfigError(f"models.vlm: {_EXPECTED}; got {shown!r}")
    if url.username or url.password or url.query:
        raise ConfigError(
            f"models.vlm: the URL must hold no key or password, set vlm_api_key: ${{NAME}}; got {shown!r}"
        )
    return base_url.rstrip("/"), model.strip()
