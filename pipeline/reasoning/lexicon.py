"""What sentences about camera pictures say that people do and that things are: a lexicon with near synonyms.

The unusual entries are those that the benchmarks of anomaly detection were staged and annotated for: UBnormal
(arXiv 2111.08644, table 1), UCF-Crime (arXiv 1801.04264), Avenue, Ped2 and ShanghaiTech, and the rules that
AnomalyRuler publishes (arXiv 2407.10299). The ordinary ones are what such sentences say most elsewhere. Whether an
entry is unusual on one camera is not said here: that is induced from what is normal there (`induction`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One activity or thing."""

    name: str
    words: str
    """As a rule says it."""
    pattern: re.Pattern[str]
    """Of a sentence in lower case that speaks of it."""
    is_thing: bool = False
    is_ordinary: bool = False


def _entries(
    table: Iterable[tuple[str, str, str]], *, is_thing: bool = False, is_ordinary: bool = False
) -> Iterator[Entry]:
    for name, words, synonyms in table:
        yield Entry(name, words, re.compile(rf"\b(?:{synonyms})\b"), is_thing, is_ordinary)


_UNUSUAL_ACTIVITIES = (
    (
        "running",
        "a person running or rushing",
        r"run|runs|running|sprint\w*|jog|jogs|jogging"
        r"|rush(?:es|ing)|dash(?:es|ing)|hurry\w*|flee\w*",
    ),
    ("loitering", "a person loitering", r"loiter\w*|linger\w*|lurk\w*|prowl\w*"),
    (
        "fighting",
        "people fighting",
        r"fight\w*|punch\w*|kick(?:s|ed|ing)|wrestl\w*|brawl\w*"
        r"|attack\w*|assault\w*|hitting|beating|struggling|altercation",
    ),
    (
        "pushing",
        "a person pushing another",
        r"push(?:es|ing) (?:him|her|them|another|the other|someone|each)\w*"
        r"|shov(?:es|ing)",
    ),
    ("chasing", "a person chasing another", r"chas(?:es|ing)|pursu(?:es|ing)"),
    (
        "falling",
        "a person falling or stumbling",
        r"fall|falls|falling|fell|tumbl\w*|collaps\w*"
        r"|stumbl\w*|slip(?:s|ped|ping)|tripp(?:ed|ing)",
    ),
    ("lying", "a person lying on the ground", r"lying|lies|laying|prone|unconscious|sprawled|sleeping|asleep"),
    ("hurt", "a person who is hurt", r"injured|hurt|limping|bleeding|in distress|seizure|staggering|crutch\w*"),
    ("crawling", "a person crawling", r"crawl\w*"),
    ("crouching", "a person crouching or kneeling", r"kneel\w*|crouch\w*|squat\w*"),
    ("bending", "a person bending down", r"bending|bends|bent|picking (?:\w+ ){0,2}up"),
    ("jumping", "a person jumping", r"jump\w*|leap\w*|hopping|skipping"),
    ("climbing", "a person climbing", r"climb(?:s|ed|ing)?\b(?! (?:up |down |the |a )*(?:stair|step))"),
    ("dancing", "a person dancing", r"danc\w*|cartwheel\w*|somersault\w*|spinning"),
    ("cycling", "a person riding a bicycle", r"riding|rides|biking|bicycling|cycling|cyclists?|pedal(?:s|ing)"),
    ("skating", "a person skating", r"skat(?:es|ing|ers?)|scooting|skateboarding|skateboarders?|rollerblad\w*"),
    ("throwing", "a person throwing something", r"throw(?:s|ing|n)|toss(?:es|ing|ed)|hurl\w*"),
    (
        "stealing",
        "a person stealing or breaking in",
        r"steal\w*|snatch\w*|grabbing|robb\w*|burgl\w*"
        r"|break(?:s|ing) (?:in|into)|shoplift\w*|theft",
    ),
    (
        "vandalism",
        "a person damaging something",
        r"vandal\w*|smash\w*|spray(?:s|ing)? paint\w*"
        r"|damaging|breaking (?:a|the)|destroy\w*",
    ),
    ("crash", "a crash of vehicles", r"crash\w*|collision|collid\w*|accident"),
)
_UNUSUAL_THINGS = (
    ("bicycle", "a bicycle", r"bicycles?|bikes?"),
    ("motorcycle", "a motorcycle or scooter", r"motorcycles?|motorbikes?|mopeds?|scooters?"),
    ("skateboard", "a skateboard", r"skateboards?|roller skates|rollerblades"),
    ("vehicle", "a vehicle", r"cars?|vans?|trucks?|vehicles?|golf carts?|carts?|buses|bus"),
    ("wheelchair", "a wheelchair", r"wheelchairs?"),
    ("weapon", "a weapon", r"weapons?|guns?|rifles?|pistols?|knife|knives|bats?"),
    (
        "fire",
        "fire or smoke",
        r"fire(?! (?:hydrant|extinguisher|escape|alarm|exit|truck))|flames?|smoke|explosion|burning",
    ),
    ("animal", "an animal", r"dogs?|cats?|animals?|horses?"),
)
_ORDINARY_ACTIVITIES = (
    ("walking", "people walking", r"walk(?:s|ing)?|strolling|stroll|heading|passing by"),
    ("standing", "people standing", r"stand(?:s|ing)?|waiting|waits"),
    ("sitting", "people sitting", r"sit|sits|sitting|seated"),
    ("talking", "people talking", r"talk(?:s|ing)?|chatting|conversing|conversation|interacting|speaking"),
    ("looking", "people looking at something", r"look(?:s|ing)?|observing|watching|facing|admiring|browsing"),
    ("entering", "people going in or out", r"enter(?:s|ing)?|exit(?:s|ing)?|leaving|arriving|departing"),
    ("stairs", "people on the stairs", r"ascending|descending|stairs|steps"),
    ("carrying", "people carrying something", r"carry(?:ing)?|carries|holding|pulling"),
    ("waving", "people waving or gesturing", r"wav(?:es|ing)|gestur\w*|signal(?:s|ing)"),
    ("phone", "people on the phone", r"phones?|calling|listening"),
    ("crossing", "people crossing the road", r"cross(?:es|ing)"),
    ("working", "people working", r"work(?:s|ing)?|cleaning|sweeping|repairing|delivering"),
    ("empty", "nobody is there", r"no people|no one|nobody|empty|deserted"),
)

ENTRIES: tuple[Entry, ...] = (
    *_entries(_UNUSUAL_ACTIVITIES),
    *_entries(_UNUSUAL_THINGS, is_thing=True),
    *_entries(_ORDINARY_ACTIVITIES, is_ordinary=True),
)


def said_in(sentence: str, entries: Iterable[Entry] = ENTRIES) -> list[Entry]:
    """The entries that a sentence speaks of, in their order."""
    lower = sentence.lower()
    return [entry for entry in entries if entry.pattern.search(lower)]
