"""How long a rule asks for, in seconds, out of its words.

Word vectors tell poorly that 15 is more than 12, so a duration goes to the network as a number. English and Chinese,
in digits or spelled out.
"""

from __future__ import annotations

import re
import unicodedata

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SPELLED = {word: float(value) for value, word in enumerate(_ONES)}
_SPELLED |= {word: 10.0 * value for value, word in enumerate(_TENS, 2)} | {"a hundred": 100.0, "one hundred": 100.0}
_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_CHINESE = "".join(_DIGITS) + "十百"
_TEN, _ONE = "|".join(_TENS), "|".join(_ONES[1:10])
_NUMBER = (
    rf"(?<![\d.,])\d+(?:,\d{{3}})*(?:\.\d+)?|(?<![a-z])(?:{_TEN})[- ](?:{_ONE})(?![a-z])"
    rf"|(?<![a-z])(?:{'|'.join(sorted(_SPELLED, key=len, reverse=True))})(?![a-z])|[{_CHINESE}]+"
)
_AND_A_HALF = r"(?P<half> and a half)?"
_BETWEEN = r"\+?[\s-]*(?:consecutive |straight )?"
_UNITS = {
    1.0: r"(?:s|secs?|seconds?)(?![a-z])|秒",
    60.0: r"(?:min|mins|minutes?)(?![a-z])|分半?钟|分半",
    3600.0: r"(?:h|hrs?|hours?)(?![a-z])|个?半?小时",
}
_TIMES = tuple(
    (seconds, re.compile(rf"(?P<number>{_NUMBER}){_AND_A_HALF}{_BETWEEN}(?P<unit>{unit})"))
    for seconds, unit in _UNITS.items()
)
_PHRASES = (
    (30.0, re.compile(r"half (?:a|of a) minute|半分钟")),
    (60.0, re.compile(r"(?<!half )(?<!half of )(?<![a-z])a minute(?! and a half)")),
    (90.0, re.compile(r"(?<![a-z])a minute and a half")),
    (120.0, re.compile(r"a couple of minutes")),
    (900.0, re.compile(r"(?<!three )quarter of an hour|一刻钟")),
    (1800.0, re.compile(r"half an hour|半个?小时")),
    (2700.0, re.compile(r"three quarters of an hour|三刻钟")),
    (3600.0, re.compile(r"(?<!half )(?<!quarter of )(?<!quarters of )(?<![a-z])an hour(?! and a half)")),
    (5400.0, re.compile(r"(?<![a-z])an hour and a half")),
)


def asked_seconds(text: str) -> float:
    """The first duration in the words; 0 without one."""
    plain = unicodedata.normalize("NFKC", text.encode("utf-8", "replace").decode()).lower()
    found = [(match.start(), _seconds(match, unit)) for unit, times in _TIMES for match in times.finditer(plain)]
    found += [(match.start(), seconds) for seconds, phrase in _PHRASES for match in phrase.finditer(plain)]
    return min(found, default=(0, 0.0))[1]


def _seconds(match: re.Match[str], unit: float) -> float:
    return unit * (_value(match["number"]) + 0.5 * bool(match["half"] or "半" in match["unit"]))


def _value(number: str) -> float:
    if number in _SPELLED:
        return _SPELLED[number]
    if number[0] in _CHINESE:
        return float(_chinese(number))
    if number[0].isalpha():
        tens, _, ones = number.replace("-", " ").partition(" ")
        return _SPELLED[tens] + _SPELLED[ones]
    return float(number.replace(",", ""))


def _chinese(text: str) -> int:
    """Up to 999: `两`, `十五`, `二十`, `三〇`, `一百二十`."""
    hundreds, is_hundred, rest = text.partition("百")
    if is_hundred:
        return 100 * _digit(hundreds, 1) + (_chinese(rest.lstrip("零")) if rest.lstrip("零") else 0)
    tens, is_ten, ones = text.partition("十")
    if is_ten:
        return 10 * _digit(tens, 1) + _digit(ones, 0)
    return int("".join(str(_DIGITS.get(character, 0)) for character in text))


def _digit(text: str, otherwise: int) -> int:
    return _DIGITS.get(text[-1:], otherwise)
