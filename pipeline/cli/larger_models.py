"""Whether this machine could do better than the built-in models: a GPU, or a model server that answers."""

from __future__ import annotations

import os
from collections.abc import Sequence

import httpx

_USUAL_SERVERS = ("http://127.0.0.1:8000/v1", "http://127.0.0.1:11434/v1", "http://127.0.0.1:30000/v1")
"""Where vLLM, Ollama and SGLang listen unless they are told otherwise."""
_WAIT_SECONDS = 0.5
HONEST = "the built-in models are demonstrators, trained on rendered scenes"


def larger_models(servers: Sequence[str] | None = None) -> str:
    """What to name in place of `builtin`, in a sentence.

    Args:
        servers: Base URLs to ask; by default `OPENAI_BASE_URL` and the usual places on this machine.
    """
    given = os.environ.get("OPENAI_BASE_URL", "")
    for url in servers if servers is not None else (*filter(None, [given]), *_USUAL_SERVERS):
        if name := _first_model(url):
            return f"{HONEST}; a server answers at {url}: name models.vlm: openai:{url}#{name}"
    if gpu := _gpu():
        return f"{HONEST}; this machine has {gpu}: name a model by its Hugging Face id, or serve one"
    return f"{HONEST}; with a GPU or a model server, name a larger one"


def _first_model(url: str) -> str:
    """A model that the server names; "" when nothing useful answers."""
    try:
        answer = httpx.get(f"{url.rstrip('/')}/models", timeout=_WAIT_SECONDS, trust_env=False)
        models = answer.raise_for_status().json()["data"]
        return str(models[0]["id"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, IndexError, TypeError):
        return ""


def _gpu() -> str:
    try:
        import torch
    except ImportError:
        return ""
    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else ""
