"""The model card."""

from __future__ import annotations

from pathlib import Path

from pipeline.models.training.card import write_card


def test_the_card_states_the_run_and_its_figures(tmp_path: Path) -> None:
    """Facts in a sentence, figures in a table, a recall with how many it is of."""
    figures = {"label": {"accuracy": 0.9, "by_class": {"person": {"recall": 0.95, "of": 40}}}, "scenes": 8}
    text = write_card(tmp_path, "vision", {"seed": 1, "minutes": 40.5}, figures).read_text()
    assert "Training: seed 1, minutes 40.5." in text
    assert "| label accuracy | 0.9 |" in text
    assert "| label by class person | 0.95 of 40 |" in text


def test_each_stage_keeps_to_its_section(tmp_path: Path) -> None:
    """Written again, a section is replaced; those of other stages stay."""
    write_card(tmp_path, "vision", {"seed": 1}, {"scenes": 8})
    write_card(tmp_path, "clip", {"seed": 2}, {"clips": 9})
    text = write_card(tmp_path, "vision", {"seed": 3}, {"scenes": 10}).read_text()
    assert text.count("## ") == 2
    assert "| clips | 9 |" in text
    assert "| scenes | 10 |" in text
    assert "seed 1" not in text
