"""The languages of the pages: messages stand in English in the templates, other languages in `console/locales`."""

from __future__ import annotations

import gettext
import io
from functools import cache
from pathlib import Path

from babel import Locale, negotiate_locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALES = Path(__file__).parent.parent / "locales"
ENGLISH = "en"


@cache
def languages() -> dict[str, str]:
    """Code to the language's own name, English first."""
    codes = [ENGLISH, *sorted(folder.name for folder in LOCALES.iterdir() if folder.is_dir())]
    return {code: Locale(code).get_display_name(code) or code for code in codes}


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The messages of every page in a language; English ones stand for themselves."""
    if language == ENGLISH:
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, catalog(language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def catalog(language: str) -> Catalog:
    """All files of a language as one."""
    whole = Catalog(locale=language)
    for path in sorted((LOCALES / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id and message.string:
                    whole.add(message.id, message.string, context=message.context)
    return whole


def chosen_language(wanted: str, accepted: str) -> str:
    """By the cookie, else by the header Accept-Language, else English."""
    if wanted in languages():
        return wanted
    preferred = [part.partition(";")[0].strip() for part in accepted[:200].split(",")]
    return negotiate_locale([*preferred, *(code.partition("-")[0] for code in preferred)], list(languages())) or ENGLISH
