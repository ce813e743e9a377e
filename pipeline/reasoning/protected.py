"""Who somebody is (a name) or is taken to be (race, religion, origin, orientation) does not belong in a report.

The prompt says so; this takes out what a model writes all the same. A list of words is bounded: it catches what is
said in the usual words of English and Chinese, not every way to say it. Clothes, colours of things and apparent
age stay: `black` goes only before a person.
"""

from __future__ import annotations

import re
from typing import TypeVar

from pipeline.contracts.assessment import RemovedClaim, Report
from pipeline.contracts.values import Contract

NOTICE = """Never say who somebody is, even if a face or a name tag seems to tell, and infer no race, ethnicity, \
religion, nationality, health or orientation: describe clothes, things and actions."""
"""For the prompt."""
WITHHELD = "[withheld]"
"""In place of a title or explanation of which nothing is left."""

_PERSON = r"(?:man|men|woman|women|person|people|male|female|guy|boy|girl|youth|teenager|suspect|individual|lady)s?\b"
_ENGLISH = (
    r"\b(?:asian|african(?:[- ]american)?|arab(?:ic)?|caucasian|hispanic|latin[oa]|middle[- ]eastern|jewish|jew"
    r"|muslim|christian|hindu|sikh|buddhist|catholic|gypsy|roma|gay|lesbian|homosexual|bisexual|transgender"
    r"|(?:dark|light|fair|brown|black|white)[- ]skinned|immigrant|mentally ill)s?\b"
    r"|\b(?:black|white|brown)(?=\s+" + _PERSON + ")"
    r"|\bof\s+\w+\s+(?:origin|descent|ethnicity|race)\b|\b(?:race|ethnicity|religion|nationality)\b"
)
_ENGLISH_NAME = (
    r"\b(?i:named|identified as|recogni[sz]ed as|known as|name is|(?:mr|mrs|ms)\.?)\s+[A-Z][\w'-]*(?:\s+[A-Z][\w'-]*)*"
)
_SURNAMES = (
    "赵钱孙李周吴郑王冯陈蒋沈韩杨朱秦许何吕张孔曹严金魏陶姜谢邹苏潘葛范彭马方任袁柳史唐薛雷倪汤罗郝于傅康黄刘林郭胡高徐"
)
_CHINESE = (
    r"(?:黑人|白人|黄种人|亚裔|非裔|拉美裔|阿拉伯人?|犹太人?|穆斯林|基督徒|佛教徒|回族|维吾尔族|藏族|同性恋者?|种族|宗教|民族|国籍)的?"
    rf"|(?:名叫|名为|姓名[是为：:])[\u4e00-\u9fff]{{2,3}}|[{_SURNAMES}](?:先生|女士|小姐)"
)
_ATTRIBUTE = re.compile(f"(?i:{_ENGLISH})|{_ENGLISH_NAME}|{_CHINESE}")
_GOES_ON = re.compile(r"\s+[a-z]|[男女人青老少]")
"""After a word that can be left out: what it was said of."""
_SENTENCE = re.compile(r"[^.!?。！？]*(?:[.!?。！？]+(?=\s|$|[\u4e00-\u9fff])|$|[.!?](?=\S))\s*")

C = TypeVar("C", bound=Contract)


def without_protected(report: Report) -> tuple[Report, tuple[RemovedClaim, ...]]:
    """The report without names and protected attributes, and what was taken out.

    A word before what it is said of is left out (`a Muslim man runs` → `a man runs`); where it is itself what is
    said (`he is Muslim`), its sentence or its entry goes.
    """
    removed: list[RemovedClaim] = []
    texts = {name: _cleaned(getattr(report, name), removed) for name in _TEXTS}
    texts |= {name: texts[name] or (WITHHELD if getattr(report, name) else "") for name in ("title", "explanation")}
    entries = {name: tuple(_entries(getattr(report, name), removed)) for name in _ENTRIES}
    return (report.model_copy(update={**texts, **entries}) if removed else report), tuple(removed)


_TEXTS = ("title", "explanation", "severity_reason", "forecast", "advice")
_ENTRIES = ("elements", "relations", "actions", "forecasts")
_WORDED = ("name", "subject", "relation", "object", "who", "what")


def _entries(entries: tuple[C, ...], removed: list[RemovedClaim]) -> list[C]:
    """The entries with clean words; one of which a word is wholly gone is left out."""
    kept = []
    for entry in entries:
        words = {name: getattr(entry, name) for name in _WORDED if name in type(entry).model_fields}
        clean = {name: _cleaned(text, removed) for name, text in words.items()}
        if all(clean[name] or not words[name] for name in words):
            kept.append(entry.model_copy(update=clean))
    return kept


def _cleaned(text: str, removed: list[RemovedClaim]) -> str:
    found = [match.group() for match in _ATTRIBUTE.finditer(text)]
    if not found:
        return text
    removed.append(RemovedClaim(claim=text[:300], reason=f"names or infers who somebody is: {', '.join(found)}"[:200]))
    return "".join(_sentence(match.group()) for match in _SENTENCE.finditer(text)).strip()


def _sentence(sentence: str) -> str:
    """The sentence without the words; empty when they are what it says."""
    matches = list(_ATTRIBUTE.finditer(sentence))
    if any(not _GOES_ON.match(sentence, match.end()) for match in matches):
        return ""
    bare = _ATTRIBUTE.sub("", sentence)
    return re.sub(r"  +", " ", bare)
