"""What a model's names for things are understood as."""

from __future__ import annotations

import pytest

from pipeline.reasoning.naming import count_of, is_same, labels_in, labels_of, subject_of


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("man", "person"),
        ("three women in red", "person"),
        ("group of people", "person"),
        ("person 7", "person"),
        ("person A", "person"),
        ("a man running", "person"),
        ("security guard near the door", "person"),
        ("white van", "truck"),
        ("parked cars", "car"),
        ("man's backpack", "suitcase"),
        ("cell phone", "cell phone"),
        ("building", "building"),
        ("fences", "fence"),
        ("一名男子", "person"),
        ("白色自行车", "bicycle"),
        ("围栏", "围栏"),
        ("", ""),
    ],
)
def test_a_name_is_what_its_head_says(name: str, label: str) -> None:
    """The head noun decides, in the words of a detector where it has one."""
    assert label in labels_of(name)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("man", "person", True),
        ("van", "truck", True),
        ("bag", "black backpack", True),
        ("man", "car", False),
        ("fence", "gate", False),
        ("metal fence", "the fence", True),
        ("围栏", "围栏", True),
        ("", "man", False),
    ],
)
def test_names_of_one_thing_agree(one: str, other: str, same: bool) -> None:
    """Near synonyms are one thing, other words are not."""
    assert is_same(one, other) is same
    assert is_same(other, one) is same


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("three men", 3),
        ("a pair of shoes", 2),
        ("person 7", 1),
        ("12 cars", 12),
        ("two", 1),
        ("三名男子", 3),
        ("人", 1),
    ],
)
def test_a_number_in_a_name_is_read(name: str, number: int) -> None:
    """Before what it counts, in words or digits."""
    assert count_of(name) == number


@pytest.mark.parametrize(
    ("sentence", "subject"),
    [
        ("The man will climb over.", "The man"),
        ("Two people are likely to fight.", "Two people"),
        ("A car may arrive.", ""),
        ("Another man might come.", ""),
        ("Theft of goods.", ""),
        ("Rain is likely.", ""),
    ],
)
def test_a_forecast_is_about_somebody_who_is_there(sentence: str, subject: str) -> None:
    """Newcomers and what is no known thing are left out."""
    assert subject_of(sentence) == subject


def test_a_text_names_all_its_things() -> None:
    """Single words and pairs, in English and Chinese."""
    assert {"person", "cell phone", "fence"} <= labels_in("Men with a cell phone climb the fences")
    assert "person" in labels_in("有人翻越围栏")
