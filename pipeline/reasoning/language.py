"""How a model is asked for the site's language: by name, and in that language, since small models know no ISO codes."""

from __future__ import annotations

_WORDING = {
    "en": "Write every text in English.",
    "zh": "Write every text in Simplified Chinese: 所有文字内容请用简体中文书写。",
    "zh-hant": "Write every text in Traditional Chinese: 所有文字內容請用繁體中文書寫。",
}
_TRADITIONAL = ("zh-hant", "zh-tw", "zh-hk", "zh-mo")


def language_request(code: str) -> str:
    """A sentence for the prompt; `code` as in `site.language`: `en`, `zh`, `zh-TW`, `de`."""
    given = code.casefold()
    known = "zh-hant" if given in _TRADITIONAL else given.partition("-")[0]
    return _WORDING.get(known, f"Write every text in the language with the ISO code {code}.")
