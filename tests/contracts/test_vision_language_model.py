"""The promises of `VisionLanguageModel`, over the server's backend and the one in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest

from pipeline.contracts.assessment import VisionLanguageModel
from pipeline.reasoning.model import load_model
from pipeline.settings import ReasoningSettings
from tests.support.reasoning import make_idefics3, prompt, serving, well_behaved

SETTINGS = ReasoningSettings(max_report_tokens=200, timeout=30)
SCHEMA = {
    "type": "object",
    "properties": {"frames": {"type": "array", "items": {"enum": [1]}, "minItems": 1, "maxItems": 1}},
    "required": ["frames"],
    "additionalProperties": False,
}


@pytest.fixture(params=["openai", pytest.param("transformers", marks=pytest.mark.models)])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VisionLanguageModel]:
    if request.param == "openai":
        with serving(well_behaved(report='{"frames": [1]}')) as server:
            yield _loaded(f"openai:{server.url}#tiny")
    else:
        make_idefics3(tmp_path)
        yield _loaded(str(tmp_path))


def _loaded(spec: str) -> VisionLanguageModel:
    model = load_model(spec, SETTINGS, api_key=None)
    assert model is not None
    return model


def test_a_verdict_is_a_distribution(model: VisionLanguageModel) -> None:
    """The three probabilities lie in 0..1 and add up to 1."""
    model.warm_up()
    answer = model.verdict(prompt())
    model.close()
    shares = (answer.yes, answer.no, answer.cannot_tell)
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) == pytest.approx(1)


def test_a_report_follows_the_schema(model: VisionLanguageModel) -> None:
    """What comes back is JSON of the form asked for."""
    model.warm_up()
    text = model.report(prompt(), SCHEMA)
    model.close()
    jsonschema.validate(json.loads(text), SCHEMA)


@pytest.mark.parametrize("num_pictures", [0, 1, 16])
def test_any_number_of_pictures_is_taken(model: VisionLanguageModel, num_pictures: int) -> None:
    """From none to the most that settings allow."""
    model.warm_up()
    assert model.verdict(prompt(num_pictures=num_pictures)).text
    model.close()


def test_threads_may_share_it(model: VisionLanguageModel) -> None:
    """The same question from four threads at once has one answer; judged together, it is added up in another order."""
    model.warm_up()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: model.verdict(prompt()), range(8)))
    model.close()
    assert {answer.text for answer in answers} == {answers[0].text}
    assert [answer.yes for answer in answers] == pytest.approx([answers[0].yes] * 8, abs=1e-5)


def test_warming_up_and_closing_may_be_repeated(model: VisionLanguageModel) -> None:
    """The second time does nothing, and the model has a name throughout."""
    model.warm_up()
    model.warm_up()
    model.close()
    model.close()
    assert model.model_id
