"""The card of a camera, from a model's answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.clock import ManualClock
from pipeline.contracts.assessment import Answer, Prompt, SceneCard, TextPart
from pipeline.errors import InvalidMessage, TransientError
from pipeline.reasoning.scene_card import MAX_ENTRIES, describe_scene
from pipeline.settings import ReasoningSettings
from tests.support.reasoning import ScriptedModel, frame

CARD = {"place": "a yard seen from a roof", "normal": ["a cat", " a cat ", ""], "hazards": ["an open gate"]}


class Watched(ScriptedModel):
    """Keeps what it was asked."""

    prompts: list[Prompt]

    def __init__(self, *answers: str | BaseException) -> None:
        super().__init__([Answer(1.0, 0.0, 0.0)], list(answers))
        self.prompts = []

    def report(self, prompt: Prompt, schema: Any) -> str:
        self.prompts.append(prompt)
        return super().report(prompt, schema)


def card_of(model: ScriptedModel, num_pictures: int = 2, language: str = "en") -> SceneCard:
    frames = [frame(number) for number in range(num_pictures)]
    return describe_scene(model, frames, language, ReasoningSettings(max_frames=4), ManualClock())


def test_an_answer_becomes_a_card() -> None:
    """Empty phrases and those said twice are left out; words around the JSON's fence do not matter."""
    card = card_of(Watched(f"```json\n{json.dumps(CARD)}\n```"))
    assert card == SceneCard(place="a yard seen from a roof", normal=("a cat",), hazards=("an open gate",))


def test_the_card_is_asked_for_in_the_sites_language_of_few_pictures() -> None:
    """As many as fit a prompt."""
    model = Watched(json.dumps({"place": "仓库的装卸区", "normal": ["卡车"], "hazards": []}, ensure_ascii=False))
    assert card_of(model, 9, "zh").place == "仓库的装卸区"
    *pictures, ask = model.prompts[0].parts
    assert len(pictures) == 4
    assert isinstance(ask, TextPart)
    assert "简体中文" in ask.text


def test_an_overlong_answer_is_cut_to_what_a_site_file_takes() -> None:
    """A server that does not constrain its model costs words, not the card; and it names no variable of the file."""
    many = [f"thing {number} ${{HOME}} {'x' * 500}" for number in range(50)]
    card = card_of(Watched(json.dumps({"place": "p" * 999, "normal": many, "hazards": [], "more": 1})))
    assert (len(card.place), len(card.normal), len(card.normal[0])) == (300, MAX_ENTRIES, 200)
    assert "${" not in card.model_dump_json()


@pytest.mark.parametrize("answer", ["", "a yard", "[]", '{"normal": []}', '{"place": 3}', "[" * 100_000])
def test_what_is_no_card_is_refused(answer: str) -> None:
    """In words that name the model."""
    with pytest.raises(InvalidMessage, match="scripted did not answer in the form asked for"):
        card_of(Watched(answer))


def test_without_a_picture_there_is_nothing_to_describe() -> None:
    """No model is asked."""
    model = Watched(json.dumps(CARD))
    with pytest.raises(InvalidMessage, match="no picture"):
        card_of(model, 0)
    assert model.calls == []


def test_a_model_that_is_away_for_a_moment_is_asked_again() -> None:
    """As with verdicts."""
    assert card_of(Watched(TransientError("away"), json.dumps(CARD))).place == "a yard seen from a roof"
