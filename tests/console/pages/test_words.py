from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

import pipeline.console.pages.words as words
from pipeline.console.pages.shell import NAVIGATION

TEMPLATES = Path(words.LOCALES).parent / "templates"


def messages(template: Path) -> set[str]:
    """What a template says to people."""
    found = extract("jinja2.ext:babel_extract", io.BytesIO(template.read_bytes()), options={"trimmed": "true"})
    return {text if isinstance(text, str) else text[0] for _, text, _, _ in found}


def said() -> set[str]:
    """What all templates and the navigation say."""
    return {name for _, name, _ in NAVIGATION}.union(*map(messages, TEMPLATES.rglob("*.html")))


@pytest.mark.parametrize("language", [code for code in words.languages() if code != words.ENGLISH])
def test_every_message_of_the_pages_has_its_translation(language: str) -> None:
    """Nobody meets a page that is half in English."""
    known = {message.id for message in words.catalog(language)}
    plural = {one for each in known if isinstance(each, tuple) for one in each}
    assert said() - known - plural == set()


@pytest.mark.parametrize("path", sorted(words.LOCALES.rglob("*.po")), ids=lambda path: "/".join(path.parts[-2:]))
def test_a_translation_fills_in_what_the_message_fills_in(path: Path) -> None:
    """A translated sentence names the same values as the English one."""
    with path.open("rb") as file:
        catalog = read_po(file)
    wrong = [error for message in catalog for error in message.check(catalog)]
    assert wrong == []


@pytest.mark.parametrize("language", [code for code in words.languages() if code != words.ENGLISH])
def test_a_message_is_translated_in_one_place(language: str) -> None:
    """All files of a language are one catalog: of two translations a page would show that of another page."""
    known: Counter[object] = Counter()
    for path in (words.LOCALES / language).glob("*.po"):
        with path.open("rb") as file:
            known.update(message.id for message in read_po(file) if message.id)
    assert [text for text, number in known.items() if number > 1] == []


def test_a_translation_that_no_page_uses_is_taken_out() -> None:
    """Old words do not pile up."""
    used = {
        message.id if isinstance(message.id, str) else message.id[0] for message in words.catalog("zh") if message.id
    }
    assert used - said() == set()


def test_the_cookie_chooses_the_language_and_else_the_browser() -> None:
    """What somebody chose counts before what their browser prefers, and an unknown language is English."""
    assert words.chosen_language("zh", "en") == "zh"
    assert words.chosen_language("", "zh-CN,zh;q=0.9,en;q=0.8") == "zh"
    assert words.chosen_language("xx", "fr-FR") == "en"
