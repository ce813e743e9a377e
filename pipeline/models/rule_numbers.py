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
_SPELLED |= {word: 10.0 * value for value, word in enumerate(_TENS, 2)}
_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_CHINESE = "".join(_DIGITS) + "十百千"
_TEN, _ONE = "|".join(_TENS), "|".join(_ONES[1:10])
_WORDS = rf"(?:(?:{_TEN})(?:[- ](?:{_ONE}))?|{'|'.join(sorted(_ONES, key=len, reverse=True))})"
_NUMBER = (
    rf"(?<![\d.,])\d{{1,6}}(?:,\d{{3}})?(?:\.\d{{1,4}})?"
    rf"|(?<![a-z])(?:(?:an?|{_ONE}) hundred(?: (?:and )?{_WORDS})?|{_WORDS})(?![a-z])"
    rf"|(?<![{_CHINESE}])[{_CHINESE}]{{1,7}}"
)
_AND_A_HALF = r"(?P<half> and a half)?"
_BETWEEN = r"\+?[\s-]{0,3}(?:consecutive |straight )?"
_SECOND = r"(?:s|secs?|seconds?)(?![a-z])|秒"
_UNITS = {
    1.0: _SECOND,
    60.0: rf"(?:min|mins|minutes?)(?![a-z])|分半?钟|分半|分(?=(?:{_NUMBER})秒)",
    3600.0: r"(?:h|hrs?|hours?)(?![a-z])|个?半?小时",
}
_TIMES = tuple(
    (seconds, re.compile(rf"(?P<number>{_NUMBER}){_AND_A_HALF}{_BETWEEN}(?P<unit>{unit})"))
    for seconds, unit in _UNITS.items()
)
_MORE_SECONDS = re.compile(rf"(?: and)? ?(?P<number>{_NUMBER}){_BETWEEN}(?:{_SECOND})")
"""What may follow a number of minutes at once."""
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
    whole = unit * (_value(match["number"]) + 0.5 * bool(match["half"] or "半" in match["unit"]))
    more = _MORE_SECONDS.match(match.string, match.end()) if unit == 60 else None
    return whole + (_value(more["number"]) if more else 0.0)


def _value(number: str) -> float:
    if number[0] in _CHINESE:
        return float(_chinese(number))
    if number[0].isdigit():
        return float(number.replace(",", ""))
    hundreds, is_hundred, rest = number.partition(" hundred")
    if is_hundred:
        return 100 * _SPELLED.get(hundreds, 1.0) + (_value(rest.removeprefix(" and").strip()) if rest else 0.0)
    return sum(_SPELLED[word] for word in number.replace("-", " ").split())


def _chinese(text: str) -> int:
    """Up to 9,999: `两`, `十五`, `二十`, `三〇`, `一百二十`, `一千零五`."""
    for sign, size in (("千", 1000), ("百", 100), ("十", 10)):
        before, is_there, after = text.partition(sign)
        if is_there:
            rest = after.lstrip("零")
            return size * _DIGITS.get(before[-1:], 1) + (_chinese(rest) if rest else 0)
    return int("".join(str(_DIGITS[character]) for character in text))
