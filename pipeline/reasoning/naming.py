"""What a model calls a thing → what a detector may call it, and how many it says there are.

English by the head noun of the name, Chinese by the words it contains; the detector's words are COCO's. A name in
another language, or of another thing, is its own kind: it agrees with the same name alone.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

_PERSON = ("person",)
_CARS = ("car", "truck", "bus")
_BAGS = ("backpack", "handbag", "suitcase")
_ANIMALS = ("dog", "cat", "bird", "horse", "sheep", "cow", "bear")
_SYNONYMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "person people man woman boy girl child kid baby adult teenager guy lady gentleman human individual somebody "
        "someone figure pedestrian walker passer-by passerby visitor customer shopper employee staff worker labourer "
        "guard officer policeman soldier intruder thief burglar suspect trespasser climber runner jogger skater "
        "player crowd family student passenger courier he she they",
        _PERSON,
    ),
    ("driver", ("person", *_CARS)),
    ("cyclist biker rider motorcyclist", ("person", "bicycle", "motorcycle")),
    ("bicycle bike cycle", ("bicycle",)),
    ("motorcycle motorbike scooter moped", ("motorcycle",)),
    ("car van sedan suv taxi cab automobile jeep hatchback pickup minivan ambulance", _CARS),
    ("truck lorry", _CARS),
    ("bus coach minibus", _CARS),
    ("vehicle", (*_CARS, "motorcycle", "bicycle")),
    ("bag luggage baggage", _BAGS),
    ("backpack rucksack", _BAGS),
    ("handbag purse tote", _BAGS),
    ("suitcase trolley briefcase case", _BAGS),
    ("dog puppy", ("dog",)),
    ("cat kitten", ("cat",)),
    ("animal pet", _ANIMALS),
    ("phone smartphone telephone", ("cell phone",)),
    ("tv television monitor screen", ("tv",)),
    ("couch sofa", ("couch",)),
)
_LABELS = {word: frozenset(labels) for words, labels in _SYNONYMS for word in words.split()}
_CHINESE = (
    ("人 男 女 孩 员 保安 行人 小偷", _PERSON),
    ("自行车 单车", ("bicycle",)),
    ("摩托", ("motorcycle",)),
    ("汽车 轿车 卡车 货车 车辆 面包车 公交", _CARS),
    ("包 行李 箱", _BAGS),
    ("狗", ("dog",)),
    ("猫", ("cat",)),
)
_IRREGULAR = {"men": "man", "women": "woman", "people": "person", "children": "child", "knives": "knife"}
_ENDS_A_HEAD = {
    "in", "with", "of", "on", "at", "near", "by", "from", "who", "that", "which", "wearing", "holding", "carrying",
    "to", "and", "behind", "beside", "under", "inside", "outside", "next", "over", "above", "below", "along",
    "through", "across",
}  # fmt: skip
_COLLECTIVES = {"group": 1, "crowd": 1, "row": 1, "number": 1, "pair": 2, "couple": 2}
_NUMBERS = {
    word: number
    for number, words in enumerate(
        ("two both 两 二", "three 三", "four 四", "five 五", "six 六", "seven 七", "eight 八", "nine 九", "ten 十"), 2
    )
    for word in words.split()
}
_CHINESE_COUNT = re.compile(r"([两二三四五六七八九十]|\d{1,2})(?:个|名|位|只|辆|条|人)")
_WORD = re.compile(r"[a-z][a-z'-]*|\d+")
_SUBJECT = re.compile(
    r"^(.*?)\b(?:will|may|might|could|can|would|is|are|likely|continues?|begins?|starts?|tries|try)\b", re.IGNORECASE
)
_NEWCOMERS = {"a", "an", "another", "other", "others", "more", "someone", "somebody", "additional", "new", "further"}


def labels_of(name: str) -> frozenset[str]:
    """The labels a detector may give to what `name` names; its own head noun where none is known."""
    words = _head(name)
    if not words:
        found = frozenset(label for word, labels in _chinese_words() if word in name for label in labels)
        return found or frozenset({name.casefold().strip()})
    pair = " ".join(words[-2:])
    return _LABELS.get(words[-1], frozenset({words[-1], pair}))


def is_same(name: str, other: str) -> bool:
    """Whether both may name one thing: `man in red` and `person`."""
    return bool(labels_of(name) & labels_of(other)) or name.casefold().strip() == other.casefold().strip()


def labels_in(text: str) -> frozenset[str]:
    """The labels of everything that `text` may speak of: of each of its words."""
    words = [_singular(word) for word in _WORD.findall(text.lower())]
    pairs = (f"{first} {second}" for first, second in itertools.pairwise(words))
    found = {label for word in words for label in _LABELS.get(word, (word,))} | {*pairs}
    return frozenset(found | {label for word, labels in _chinese_words() if word in text for label in labels})


def count_of(name: str) -> int:
    """How many `name` says there are, 1 where it gives no number: `three men` 3, `person 7` 1, `两名男子` 2."""
    if match := _CHINESE_COUNT.search(name):
        return _NUMBERS.get(match[1]) or int(match[1] if match[1].isdigit() else 1)
    words = [word for word in name.lower().split() if word not in {"the", "a", "an", "at", "least", "about"}]
    if len(words) < 2:
        return 1
    return int(words[0]) if words[0].isdigit() else _NUMBERS.get(words[0], _COLLECTIVES.get(words[0], 1))


def subject_of(sentence: str) -> str:
    """Of whom a forecast speaks, if of something that is already there: `the man` of "The man will run away"."""
    match = _SUBJECT.match(sentence.strip())
    subject = match[1].strip() if match else ""
    words = subject.lower().split()
    return "" if not words or words[0] in _NEWCOMERS or not _is_known(subject) else subject


def _is_known(name: str) -> bool:
    words = _head(name)
    return bool(words) and words[-1] in _LABELS


def _head(name: str) -> list[str]:
    """The words of a name up to its head noun, which is the last, in the singular; empty for what is not English."""
    words = [word for word in _WORD.findall(name.lower()) if not word.isdigit()]
    if len(words) > 1 and len(words[-1]) == 1:
        words.pop()  # `person A`
    of = words.index("of") if "of" in words else 0
    if of and _singular(words[of - 1]) in _COLLECTIVES:
        words = words[of + 1 :]
    head = [_singular(word) for word in _until_end(words)]
    return head or [_singular(word) for word in words[:1]]


def _until_end(words: Iterable[str]) -> Iterator[str]:
    """Up to a preposition, or to what a known thing is said to do: `man | running`."""
    has_thing = False
    for word in words:
        if word in _ENDS_A_HEAD or (has_thing and word.endswith(("ing", "ed")) and _singular(word) not in _LABELS):
            return
        has_thing = has_thing or _singular(word) in _LABELS
        yield word


def _singular(word: str) -> str:
    word = _IRREGULAR.get(word.removesuffix("'s"), word.removesuffix("'s"))
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes", "buses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word


def _chinese_words() -> Iterator[tuple[str, tuple[str, ...]]]:
    return ((word, labels) for words, labels in _CHINESE for word in words.split())
