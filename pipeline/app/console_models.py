"""The site's models as the console uses them: those of the run in this process, or its own, loaded when first needed.

A vision-language model that a run, or a cluster, holds in its own memory is not loaded a second time beside it: it may
fill the GPU that the first one needs. Only behind a server, or built in, is it to be had from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.app.ask import load_chat, site_encoder
from pipeline.app.lazy import Lazy
from pipeline.app.replay import site_judge
from pipeline.contracts.assessment import VisionLanguageModel
from pipeline.contracts.chat import ChatModel, Message, Tool
from pipeline.contracts.observation import Encoder
from pipeline.reasoning.chat_steps import StepsChat
from pipeline.runtime.local.runtime import LocalRuntime
from pipeline.settings import Settings
from pipeline.site import BUILTIN_MODEL, NO_MODEL, Site

_SERVER = "openai:"


class SiteModels:
    """`sees`, `judges` and `chat` say what there is; nothing is loaded before it is used. Thread-safe."""

    def __init__(self, site: Site, settings: Settings, runtime: LocalRuntime | None = None) -> None:
        """With a `runtime` its models are used, which it loads and closes."""
        models = site.models
        spec = models.strong_vlm if models.strong_vlm != NO_MODEL else models.vlm
        name = spec.rpartition("#")[2]
        self.sees = models.encoder != NO_MODEL
        self.judges = models.vlm != NO_MODEL and all(
            runtime is not None or _is_anywhere(each) for each in (models.vlm, models.strong_vlm)
        )
        self._words = site_encoder(site, settings)
        self._judge = site_judge(site, settings.reasoning)
        self._runtime = runtime
        self.chat: LazyChat | None = None
        """None also for the built-in model, which knows nothing but alarms."""
        if spec.startswith(_SERVER):
            self.chat = LazyChat(name, lambda: load_chat(site, settings))
        elif runtime is not None and spec not in (NO_MODEL, BUILTIN_MODEL):
            self.chat = LazyChat(name, lambda: _Borrowed(self.judge()))

    def encoder(self) -> Encoder | None:
        """Warm; None without one. `ConfigError` when it cannot be had."""
        return self._words() if self._runtime is None else self._runtime.encoder

    def judge(self) -> VisionLanguageModel:
        """Warm; `ConfigError` when there is none or it cannot be had."""
        shared = self._runtime.judge if self._runtime is not None else None
        return shared or self._judge()

    def close(self) -> None:
        """Free what was loaded here; may be called twice."""
        self._words.close()
        self._judge.close()
        if self.chat is not None:
            self.chat.close()


def _is_anywhere(spec: str) -> bool:
    """Whether it costs little to have it here too."""
    return spec in (NO_MODEL, BUILTIN_MODEL) or spec.startswith(_SERVER)


class LazyChat:
    """A `ChatModel` that is loaded with the first question."""

    def __init__(self, model_id: str, load: Callable[[], ChatModel]) -> None:
        self.model_id = model_id
        self._model = Lazy(load)

    def chat(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Message:
        """The assistant's next turn."""
        model = self._model()
        self.model_id = model.model_id
        return model.chat(messages, tools)

    def close(self) -> None:
        """Free the model; may be called twice."""
        self._model.close()


class _Borrowed(StepsChat):
    """Talks with a model that is somebody else's to close."""

    def close(self) -> None:
        """Leave it as it is."""
