"""The dialogue with a tiny model of random weights, by constrained steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.reasoning.chat_steps import StepsChat
from pipeline.reasoning.vlm_transformers import TransformersVlm
from pipeline.search.archive import Archive
from pipeline.search.ask import Dialogue, Limits
from pipeline.search.toolbox import Toolbox
from pipeline.settings import ReasoningSettings
from tests.support.reasoning import make_idefics3


@pytest.mark.models
def test_a_model_of_random_weights_ends_within_the_limits(archive: Archive, tmp_path: Path) -> None:
    """Whatever it calls or says, there is an answer within the steps, and no citation that does not hold."""
    folder = tmp_path / "vlm"
    make_idefics3(folder)
    model = TransformersVlm(str(folder), ReasoningSettings(max_report_tokens=64, timeout=60))
    model.warm_up()
    try:
        reply = Dialogue(StepsChat(model), Toolbox(archive), archive, Limits(steps=2)).ask("who left the bag?")
    finally:
        model.close()
    assert reply.steps <= 2
    assert reply.text
    assert not reply.citations
