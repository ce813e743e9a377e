"""What doctor recommends in place of the built-in models."""

from __future__ import annotations

from pipeline.cli.larger_models import HONEST, larger_models
from tests.support.reasoning import ScriptedServer, well_behaved


def test_a_server_that_answers_is_named_with_its_model() -> None:
    """The sentence can be copied into the site file."""
    server = ScriptedServer(well_behaved())
    try:
        said = larger_models(["http://127.0.0.1:9/v1", server.url])
    finally:
        server.close()
    assert said.startswith(HONEST)
    assert f"models.vlm: openai:{server.url}#" in said


def test_without_a_server_it_says_what_the_models_are() -> None:
    """Nothing listens, or not what was looked for: the sentence stays honest and names nothing."""
    said = larger_models(["http://127.0.0.1:9/v1", "not a url", "http://[broken"])
    assert said.startswith(HONEST)
    assert "openai:" not in said
