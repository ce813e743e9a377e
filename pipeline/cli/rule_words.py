"""The small language of `sightline watch --rule`: a sentence in, a rule as the site file has it out.

Every form is one line of `FORMS`: a pattern, an example that stands in the help, and how it becomes a rule.
Words in quotes inside the option are for the models (`when:`), anything else must be one of the forms.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pipeline.cli.times import read_duration
from pipeline.contracts.health import Condition
from pipeline.contracts.rule import ANY_OBJECT, Rule
from pipeline.errors import ConfigError

RuleBody = dict[str, Any]
MOTION = "motion"

_OBJECT = r"(?P<object>.+?)"
_NAME = r"(?:the )?(?P<name>[\w.-]+)"
_IN_ZONE = r"(?: inside (?:the )?(?P<zone>[\w.-]+))?"
_DIRECTION = r"(?: (?P<direction>left to right|right to left))?"
_LASTING = r"(?: (?:longer than|for) (?P<duration>[\w. ]+))?"

_ARTICLE = re.compile(r"(?i)^(an?|the|one) ")
_ANY_WORDS = {"anything", "something", "any", "any object", "objects", "things"}
_SINGULAR = {"people": "person", "someone": "person", "anyone": "person", "somebody": "person", "buses": "bus"}
_SINGULAR |= {"knives": "knife", "couches": "couch", "toothbrushes": "toothbrush", "sheep": "sheep", "mice": "mouse"}
_ENDS_IN_S = {"bus", "scissors", "skis"}
_MAX_ID_LENGTH = 40
_MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Form:
    """One shape of sentence."""

    example: str
    pattern: str
    build: Callable[[dict[str, str]], RuleBody]

    def read(self, text: str) -> RuleBody | None:
        """The rule, when `text` has this shape."""
        match = re.fullmatch(self.pattern, text, flags=re.IGNORECASE)
        return self.build({k: v for k, v in match.groupdict().items() if v}) if match else None


def _track(verb: str) -> Callable[[dict[str, str]], RuleBody]:
    """Builder for `OBJECT verb NAME`."""
    return lambda found: {"track": {"object": _objects(found["object"]), verb: found["name"]}}


def _inside(found: dict[str, str]) -> RuleBody:
    rule = _track("inside")(found)
    if "duration" in found:
        rule["track"]["longer_than"] = read_duration(found["duration"])
    return rule


def _crosses(found: dict[str, str]) -> RuleBody:
    rule = _track("crosses")(found)
    if "direction" in found:
        rule["track"]["direction"] = found["direction"].lower().replace(" ", "_")
    return rule


def _count(found: dict[str, str]) -> RuleBody:
    track = {"object": _objects(found["object"]), "count_above": int(found["number"])}
    return {"track": track} | _zone(found)


def _left_behind(found: dict[str, str]) -> RuleBody:
    return {"track": {"object": _objects(found["object"]), "left_behind": read_duration(found["duration"])}}


def _faster(found: dict[str, str]) -> RuleBody:
    return {"track": {"object": _objects(found["object"]), "faster_than": float(found["number"])}} | _zone(found)


def _motion(found: dict[str, str]) -> RuleBody:
    if "zone" in found:
        return {"track": {"object": [ANY_OBJECT], "inside": found["zone"]}}
    return {"track": {"object": [ANY_OBJECT], "count_above": 0}}


def _when(found: dict[str, str]) -> RuleBody:
    return {"when": found["words"].strip()} | _zone(found)


def _zone(found: dict[str, str]) -> RuleBody:
    return {"zone": found["zone"]} if "zone" in found else {}


_QUOTED = Form('"a person climbs the fence" inside yard', rf"(?P<q>[\"'])(?P<words>.+)(?P=q){_IN_ZONE}", _when)
FORMS = (
    Form("motion inside yard", rf"(?:any )?motion{_IN_ZONE}", _motion),
    Form("more than 3 people inside yard", rf"more than (?P<number>\d+) {_OBJECT}{_IN_ZONE}", _count),
    Form("person enters door", rf"{_OBJECT} enters? {_NAME}", _track("enters")),
    Form("person leaves door", rf"{_OBJECT} leaves? {_NAME}", _track("leaves")),
    Form("person or car inside yard longer than 45s", rf"{_OBJECT} inside {_NAME}{_LASTING}", _inside),
    Form("person crosses kerb left to right", rf"{_OBJECT} cross(?:es)? {_NAME}{_DIRECTION}", _crosses),
    Form("backpack left behind 30s", rf"{_OBJECT} left behind(?: for)? (?P<duration>[\w. ]+)", _left_behind),
    Form("person faster than 1.8", rf"{_OBJECT} faster than (?P<number>\d+(?:\.\d+)?){_IN_ZONE}", _faster),
    _QUOTED,
)
_KEY_WORDS = ("enters", "leaves", "inside", "crosses", "behind", "faster", "more", "motion", "longer", "left", "right")


def read_rules(texts: Iterable[str]) -> list[RuleBody]:
    """One rule a text, with an id made from its words; `ConfigError` for a text that is no rule."""
    rules: list[RuleBody] = []
    for text in texts:
        rules.append({"id": _new_id(text, [rule["id"] for rule in rules]), **read_rule(text)})
    return rules


def read_rule(text: str) -> RuleBody:
    """The rule that `text` says, without an id; `ConfigError` shows the nearest form."""
    words = " ".join(text.split())
    for form in FORMS if words[:1] not in {'"', "'"} else (_QUOTED,):
        rule = form.read(words)
        if rule is not None:
            return rule
    raise ConfigError(_unreadable(words))


def rule_in_words(rule: Rule) -> str:
    """The other way round: a rule as a sentence of the language, or the operator's own words."""
    where = f" inside {rule.zone}" if rule.zone else ""
    if rule.health is not None:
        return "any trouble with the camera" if set(rule.health) == set(Condition) else " or ".join(rule.health)
    track = rule.track
    if track is None:
        return f"{_scored_in_words(rule)}{where}"
    what = "anything" if ANY_OBJECT in track.object else " or ".join(track.object)
    if track.count_above is not None:
        return f"more than {track.count_above} {what}{where}"
    for verb in ("enters", "leaves", "inside", "crosses"):
        if name := getattr(track, verb):
            lasting = f" longer than {track.longer_than:g} s" if track.longer_than is not None else ""
            way = f" {track.direction.replace('_', ' ')}" if track.direction != "any" else ""
            return f"{what} {verb} {name}{lasting}{way}{where}"
    if track.left_behind is not None:
        return f"{what} left behind {track.left_behind:g} s{where}"
    return f"{what} faster than {track.faster_than:g} of its own heights a second{where}"


def _scored_in_words(rule: Rule) -> str:
    """`person: “a person lies down”, like fall-1.jpg (not like sit.jpg)`: words, examples or both."""
    if rule.unusual:
        return "anything unusual"
    said = [f"“{rule.when}”"] if rule.when is not None else []
    if rule.examples is not None:
        unlike = f" (not like {_names(rule.examples.negative)})" if rule.examples.negative else ""
        said.append(f"like {_names(rule.examples.positive)}{unlike}")
    whose = f"{'anything' if ANY_OBJECT in rule.object else ' or '.join(rule.object)}: " if rule.object else ""
    return whose + ", ".join(said)


def _names(paths: Sequence[str]) -> str:
    """The files' own names, the first few of them."""
    more = f" and {len(paths) - _MOST_NAMES} more" if len(paths) > _MOST_NAMES else ""
    return ", ".join(PurePosixPath(path).name for path in paths[:_MOST_NAMES]) + more


def _objects(text: str) -> list[str]:
    """Labels in `a person or cars`: lower case, singular, `any` for anything."""
    names = [_label(part) for part in re.split(r"(?i)\s*,\s*(?:or )?|\s+or\s+", text) if part.strip()]
    return [ANY_OBJECT] if ANY_OBJECT in names else list(dict.fromkeys(names))


def _label(text: str) -> str:
    name = _ARTICLE.sub("", text.strip()).lower()
    if name in _ANY_WORDS:
        return ANY_OBJECT
    if name in _SINGULAR:
        return _SINGULAR[name]
    is_plural = name.endswith("s") and not name.endswith("ss") and name not in _ENDS_IN_S
    return name[:-1] if is_plural else name


def _new_id(text: str, taken: list[str]) -> str:
    """`person-enters-door`, with a number when that is taken."""
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_MAX_ID_LENGTH].strip("-") or "rule"
    return next(name for name in (base, *(f"{base}-{n}" for n in range(2, len(taken) + 3))) if name not in taken)


def _unreadable(text: str) -> str:
    nearest = _corrected(text) or difflib.get_close_matches(text, [form.example for form in FORMS], n=1, cutoff=0.0)[0]
    forms = "\n".join(f"  {form.example}" for form in FORMS)
    return (
        f"--rule {text!r} is not one of the forms; the nearest is {nearest!r}.\n"
        f"The forms:\n{forms}\n"
        f"Words for the models to judge stand in quotes of their own: --rule '\"{text.strip(chr(34))}\"'"
    )


def _corrected(text: str) -> str | None:
    """`text` with its misspelt key words put right, when that makes it a rule."""
    words = [_nearest_word(word) for word in text.split()]
    fixed = " ".join(words)
    return fixed if fixed != text and any(form.read(fixed) for form in FORMS) else None


def _nearest_word(word: str) -> str:
    near = difflib.get_close_matches(word.lower(), _KEY_WORDS, n=1, cutoff=0.7)
    return near[0] if near else word
