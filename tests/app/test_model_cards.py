"""What is told of a site's models."""

from __future__ import annotations

from pathlib import Path

from pipeline.app.model_cards import model_cards
from pipeline.models.weights import vision_version
from pipeline.site import Site, parse_site

SITE = "{models: {detector: '%s', encoder: '%s', vlm: '%s'}, cameras: [{id: yard, url: 'synthetic:yard'}]}"


def site(detector: str = "motion", encoder: str = "none", vlm: str = "none") -> Site:
    """One with these models."""
    return parse_site(SITE % (detector, encoder, vlm), "site.yaml", {})


def test_a_built_in_model_has_its_version_and_its_card() -> None:
    """The card that ships beside the weights."""
    (card,) = model_cards(site(detector="builtin"))
    assert (card.use, card.name, card.version) == ("detector", "builtin", vision_version())
    assert "demonstrators" in card.text


def test_what_has_no_built_in_model_is_named_without_a_version() -> None:
    """The run refuses such a site; a console beside its data shows it."""
    text = "{models: {faces: builtin}, cameras: [{id: yard, url: 'synthetic:yard'}]}"
    told = {card.use: card for card in model_cards(parse_site(text, "site.yaml", {}))}
    assert (told["faces"].name, told["faces"].version, told["faces"].text) == ("builtin", "", "")


def test_models_that_are_not_named_are_not_told() -> None:
    """What watches for motion needs no model, and is what finds things all the same."""
    assert [(card.use, card.name, card.text) for card in model_cards(site())] == [("detector", "motion", "")]
    assert model_cards(None) == []


def test_a_model_in_a_folder_brings_its_own_card(tmp_path: Path) -> None:
    """Of an ONNX file, what lies beside it."""
    (tmp_path / "README.md").write_text("# Sees well", encoding="utf-8")
    weights = tmp_path / "model.onnx"
    told = model_cards(site(detector=f"onnx:{weights}", encoder=f"onnx:{weights}#3", vlm=str(tmp_path)))
    assert [card.text for card in told] == ["# Sees well"] * 3


def test_a_served_model_is_named_without_its_password() -> None:
    """Whoever may see the page may not use the server."""
    (_, card) = model_cards(site(vlm="openai:https://me:secret@models.example.org/v1#big"))
    assert "secret" not in card.name
    assert card.name.endswith("models.example.org/v1#big")
