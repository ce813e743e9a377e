"""The site's models as the console uses them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.app.console_models import LazyChat, SiteModels
from pipeline.app.local import build_local
from pipeline.errors import TransientError
from tests.support.archive import ScriptedChat, says, text_of
from tests.support.local import settings_of, site_of
from tests.support.model_server import judge
from tests.support.receiver import Receiver

SITE = """
models: {{encoder: builtin, vlm: "openai:http://127.0.0.1:{port}/v1#judge"}}
cameras: [{{id: yard, url: x.mp4}}]
"""


def test_a_model_for_questions_is_loaded_with_the_first() -> None:
    """Once; a server that is away then is asked again with the next question."""
    loaded: list[ScriptedChat] = []

    def load() -> ScriptedChat:
        loaded.append(ScriptedChat([says("Nobody.")]))
        if len(loaded) == 1:
            raise TransientError("the server does not answer")
        return loaded[-1]

    chat = LazyChat("large", load)
    assert (chat.model_id, loaded) == ("large", [])
    with pytest.raises(TransientError):
        chat.chat([], [])
    assert [text_of(chat.chat([], [])) for _ in range(2)] == ["Nobody."] * 2
    assert (chat.model_id, len(loaded)) == ("scripted", 2)
    chat.close()


@pytest.mark.models
def test_a_run_and_its_console_share_their_models(tmp_path: Path) -> None:
    """None is loaded twice, and the console's end closes none of the run's."""
    with Receiver(otherwise=judge(0.9)) as server:
        site = site_of(SITE.format(port=server.port))
        settings = settings_of(site, tmp_path)
        with build_local(site, settings) as runtime:
            runtime.warm_up()
            models = SiteModels(site, settings, runtime)
            assert models.encoder() is runtime.encoder is not None
            assert models.judge() is runtime.judge is not None
            models.close()
            assert runtime.encoder.encode_texts(["a person"]).shape[0] == 1
