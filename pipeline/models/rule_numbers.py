"""How long a rule asks for, in seconds, out of its words.

Word vectors tell poorly that 15 is more than 12, so a duration goes to the network as a number. English and Chinese,
in digits or spelled out.
"""

from __future__ import annotations

import re

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_MORE = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90}
_SPELLED = {word: value for value, word in enumerate(_ONES)} | _MORE
_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_CHINESE = "零一二三四五六七八九两〇十"
_UNITS = {
    1.0: r"(?:-\s*)?(?:s\b|secs?\b|seconds?\b)|秒",
    60.0: r"(?:-\s*)?(?:mins?\b|minutes?\b)|分钟",
    3600.0: r"(?:-\s*)?(?:h\b|hrs?\b|hours?\b)|个?小时",
}
_NUMBER = rf"\d{{1,5}}(?:\.\d{{1,3}})?|\b(?:{'|'.join(_SPELLED)})\b|[{_CHINESE}]{{1,4}}"
_TIMES = tuple((seconds, re.compile(rf"(?i)(?P<number>{_NUMBER})\s*(?:{unit})")) for seconds, unit in _UNITS.items())
_PHRASES = (
    (30.0, re.compile(r"(?i)\bhalf (?:a|of a) minute\b|半分钟")),
    (60.0, re.compile(r"(?i)(?<!half )(?<!half of )\ba minute\b(?! and a half)")),
    (90.0, re.compile(r"(?i)\ba minute and a half\b|一分半钟?")),
    (120.0, re.compile(r"(?i)\ba couple of minutes\b")),
    (900.0, re.compile(r"(?i)\bquarter of an hour\b|一刻钟")),
    (1800.0, re.compile(r"(?i)\bhalf an hour\b|半个?小时")),
    (3600.0, re.compile(r"(?i)(?<!half )(?<!quarter of )\ban hour\b")),
)


def asked_seconds(text: str) -> float:
    """The first duration in the words; 0 without one."""
    found = [
        (match.start(), seconds * _value(match["number"])) for seconds, unit in _TIMES for match in unit.finditer(text)
    ]
    found += [(match.start(), seconds) for seconds, phrase in _PHRASES for match in phrase.finditer(text)]
    return min(found, default=(0, 0.0))[1]


def _value(number: str) -> float:
    text = number.lower()
    if text in _SPELLED:
        return float(_SPELLED[text])
    return float(_chinese(text)) if text[0] in _CHINESE else float(text)


def _chinese(text: str) -> int:
    """Up to 99: `十五`, `二十`, `二十五`, `两`."""
    tens, is_tens, ones = text.partition("十")
    if not is_tens:
        return _DIGITS[text[0]]
    return 10 * _DIGITS.get(tens[-1:], 1) + _DIGITS.get(ones[:1], 0)
