"""The numbers in a rule's words: how long, how many.

Word vectors tell poorly that 15 is more than 12, so a rule's numbers go to the network as numbers too. English and
Chinese, in digits or spelled out.
"""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

MAX_NUMBERS = 3
NUM_COLUMNS = 3
_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90}
_SPELLED = {word: value for value, word in enumerate(_ONES)} | _TENS
_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_CHINESE = "零一二三四五六七八九两〇十"
_SECONDS = r"\s*(?:-\s*)?(?:s\b|secs?\b|seconds?\b|秒)"
_MINUTES = r"\s*(?:-\s*)?(?:mins?\b|minutes?\b|分钟)"
_ONE_MINUTE = re.compile(r"(?i)\b(?P<half>half )?an? minute\b")
_NUMBER = re.compile(
    rf"(?i)(?P<number>\d{{1,5}}(?:\.\d{{1,3}})?|\b(?:{'|'.join(_SPELLED)})\b|[{_CHINESE}]{{1,4}})"
    rf"(?:(?P<seconds>{_SECONDS})|(?P<minutes>{_MINUTES}))?"
)
_LONGEST_LOG = math.log1p(600.0)


def numbers_in(text: str) -> list[tuple[float, bool]]:
    """(value, whether it is a time) of the first numbers; times in seconds."""
    found = [(match.start(), _value(match)) for match in _NUMBER.finditer(text)]
    found += [(match.start(), (30.0 if match["half"] else 60.0, True)) for match in _ONE_MINUTE.finditer(text)]
    return [value for _, value in sorted(found)][:MAX_NUMBERS]


def number_rows(text: str) -> NDArray[np.float32]:
    """(MAX_NUMBERS, NUM_COLUMNS): whether there is one, its logarithm about 0..1, whether it is a time."""
    rows = np.zeros((MAX_NUMBERS, NUM_COLUMNS), np.float32)
    for row, (value, is_time) in zip(rows, numbers_in(text), strict=False):
        row[:] = 1.0, math.log1p(value) / _LONGEST_LOG, float(is_time)
    return rows


def _value(match: re.Match[str]) -> tuple[float, bool]:
    text = match["number"].lower()
    if text in _SPELLED:
        value = float(_SPELLED[text])
    elif text[0] in _CHINESE:
        value = float(_chinese(text))
    else:
        value = float(text)
    return (value * 60, True) if match["minutes"] else (value, bool(match["seconds"]))


def _chinese(text: str) -> int:
    """Up to 99: `十五`, `二十`, `二十五`, `两`."""
    tens, is_tens, ones = text.partition("十")
    if not is_tens:
        return _DIGITS[text[0]]
    return 10 * _DIGITS.get(tens[-1:], 1) + _DIGITS.get(ones[:1], 0)
