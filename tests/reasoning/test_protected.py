"""What a report may not say of a person, and what it may."""

from __future__ import annotations

import pytest

from pipeline.contracts.assessment import Element, Relation, Report
from pipeline.reasoning.protected import WITHHELD, without_protected


def _report(**fields: object) -> Report:
    return Report.model_validate(
        {"title": "Somebody climbs", "explanation": "A person climbs.", "frames": [1], **fields}
    )


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("A Muslim man climbs the fence.", "A man climbs the fence."),
        ("A black man in a black jacket runs.", "A man in a black jacket runs."),
        ("Someone climbs. He is Muslim.", "Someone climbs."),
        ("A man of Turkish origin waits. He has a bag.", "A man waits. He has a bag."),
        ("The man is identified as John Smith. He climbs.", "He climbs."),
        ("The dark-skinned person waits.", "The person waits."),
        ("一名黑人男子翻越围墙。", "一名男子翻越围墙。"),
        ("有人翻墙。他是穆斯林。", "有人翻墙。"),
        ("名叫张伟的男子翻墙。有人在跑。", "男子翻墙。有人在跑。"),
        ("He is Jewish.", WITHHELD),
    ],
)
def test_who_somebody_is_is_taken_out_and_counted(said: str, kept: str) -> None:
    """A name, race, religion or origin goes, and the rest of the sentence stays where it still says something."""
    report, removed = without_protected(_report(explanation=said))
    assert report.explanation == kept
    assert len(removed) == 1
    assert removed[0].claim == said


@pytest.mark.parametrize(
    "said",
    [
        "A person in a black coat carries a white box to the brown van.",
        "An elderly woman with a headscarf falls near gate 2.5 m wide.",
        "The racer turns the boat around; it is called off.",
        "一名穿黑色衣服的男子走向白色汽车。",
        "一位女士在等车。",
    ],
)
def test_clothes_things_and_actions_stay(said: str) -> None:
    """What is plainly seen is no inference: nothing changes."""
    report = _report(explanation=said)
    assert without_protected(report) == (report, ())


def test_entries_are_cleaned_or_left_out() -> None:
    """An element keeps what else its name says; one that is nothing but the attribute goes."""
    elements = (Element(name="Asian woman", frame=1), Element(name="Muslim", frame=1))
    relations = (Relation(subject="Hindu man", relation="next to", object="gate", frame=1),)
    report, removed = without_protected(_report(elements=elements, relations=relations))
    assert [each.name for each in report.elements] == ["woman"]
    assert [each.subject for each in report.relations] == ["man"]
    assert len(removed) == 3
