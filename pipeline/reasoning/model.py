"""The `vlm:` and `strong_vlm:` of a site file → a backend, or a ladder of two."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import SecretStr

from pipeline.contracts.assessment import VisionLanguageModel
from pipeline.errors import ConfigError
from pipeline.reasoning.ladder import Ladder
from pipeline.reasoning.vlm_builtin import BuiltinVlm
from pipeline.reasoning.vlm_openai import OpenAiVlm
from pipeline.reasoning.vlm_transformers import TransformersVlm
from pipeline.settings import ReasoningSettings
from pipeline.site import BUILTIN_MODEL, NO_MODEL, Models
from pipeline.telemetry import hide_credentials

_EXPECTED = (
    "expected none, builtin, openai:URL#model (such as openai:http://localhost:8000/v1#Qwen/Qwen3-VL-8B-Instruct), "
    "or a Hugging Face id or folder"
)


def load_judge(
    models: Models, settings: ReasoningSettings, *, small: VisionLanguageModel | None = None
) -> VisionLanguageModel | None:
    """The backend that judges for a site: `vlm`, with `strong_vlm` above it where that is named; None for `none`.

    `small`, where it runs in another process, stands for `vlm`. As `load_model` otherwise.
    """
    judge = small or load_model(models.vlm, settings, api_key=_secret(models.vlm_api_key))
    if judge is None or models.strong_vlm.strip() == NO_MODEL:
        return judge
    strong = load_model(models.strong_vlm, settings, api_key=_secret(models.strong_vlm_api_key), field="strong_vlm")
    return judge if strong is None else Ladder(judge, strong, settings)


def load_model(
    spec: str, settings: ReasoningSettings, *, api_key: str | None, field: str = "vlm"
) -> VisionLanguageModel | None:
    """The backend `spec` names, not yet warmed up; None for `none`. `ConfigError` when it names nothing.

    Touches neither the network nor a file. `field`: of `models`, for messages.
    """
    spec = spec.strip()
    if spec == "none":
        return None
    if spec == BUILTIN_MODEL:
        return BuiltinVlm()
    if spec.startswith("openai:"):
        base_url, model = _parse_openai(spec, field)
        return OpenAiVlm(base_url, model, api_key, settings)
    if not spec or re.match(r"[a-z]{2,}:", spec):
        raise ConfigError(f"models.{field}: {_EXPECTED}; got {hide_credentials(spec)!r}")
    return TransformersVlm(spec, settings)


def _parse_openai(spec: str, field: str) -> tuple[str, str]:
    """Base URL and model of `openai:URL#model`."""
    base_url, _, model = spec.removeprefix("openai:").partition("#")
    shown = hide_credentials(spec)
    try:
        url = urlsplit(base_url)
        is_usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not model.strip():
        raise ConfigError(f"models.{field}: {_EXPECTED}; got {shown!r}")
    if url.username or url.password or url.query:
        raise ConfigError(
            f"models.{field}: the URL must hold no key or password, set {field}_api_key: ${{NAME}}; got {shown!r}"
        )
    return base_url.rstrip("/"), model.strip()


def _secret(key: SecretStr | None) -> str | None:
    return key.get_secret_value() if key else None
