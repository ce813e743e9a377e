"""Is a rule's text one that an encoder can score? Remarks for whoever writes the site file.

In: rules. Out: what may go wrong with their words and what to write instead, in plain words. Nothing here is an
error: a rule with remarks still runs. The patterns are of English; without an encoder no model is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.contracts.observation import TextEncoder
from pipeline.contracts.rule import Rule
from pipeline.events.captions import encode_in_batches, shipped_captions
from pipeline.events.words import embed_texts, wording_spread

_WORDS_READ = 45
"""A text encoder of the CLIP kind reads 77 tokens, of the SigLIP kind 64; English has about 1.3 tokens a word."""
_NUM_LOOKED_AT = 8
"""Ordinary captions compared closely: the nearest of all, by one prompt."""
_MANY_LANGUAGES = re.compile(r"(?i)siglip-?2|multilingual|-i18n|xlm|m-clip|chinese|japanese|jina-clip-v2")
"""Encoders whose names say that they read more than English."""
_LABELS = {
    "person": re.compile(r"(?i)\b(?:person|people|m[ae]n|wom[ae]n|some(?:one|body)|child(?:ren)?|workers?)\b"),
    **{
        label: re.compile(rf"(?i)\b{label}")
        for label in ("car", "truck", "bus", "bicycle", "motorcycle", "dog", "cat", "train")
    },
}
"""Labels of detectors and the words that mean them; the first found is what a rule is about."""
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_NUMBER = rf"(?P<number>\d{{1,6}}|{'|'.join(_NUMBERS)})"
_ABOVE = ("more than", "over", "above", "exceeding")


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing about a rule's words."""

    problem: str
    suggestion: str
    """What to write instead; in YAML where it can be."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Words that a rule should not have."""

    words: str
    """A regular expression; case does not count."""
    problem: str
    suggestion: str
    """May name what `_fields` gives."""

    def look(self, rule: Rule, text: str) -> Remark | None:
        """The remark, when the text has these words."""
        found = re.search(f"(?i){self.words}", text)
        if found is None:
            return None
        quoted = found.group().strip(" ,;")
        return Remark(f"“{quoted}”: {self.problem}", self.suggestion.format_map(_fields(rule, found)))


_PATTERNS = (
    _Pattern(
        r"\b(?:no|not|nobody|no-?one|nothing|never|none|without|neither|nor|isn['’]t|aren['’]t|doesn['’]t|don['’]t"
        r"|fails? to|missing|lack(?:s|ing)?)\b",
        "an encoder does not read negations; it looks for the things named, there or not",
        "say what is seen instead: not “nobody wears a helmet” but when: a worker with a bare head",
    ),
    _Pattern(
        rf"\b(?P<more>{'|'.join(_ABOVE)}|at least|a minimum of) {_NUMBER}\b"
        r"(?! ?(?:s|secs?|seconds?|mins?|minutes?|h|hours?|m|metres?|meters?|km|mph|%|°)\b)",
        "an encoder cannot count",
        "let tracks count: track: {{object: {object}, count_above: {limit}}}",
    ),
    _Pattern(
        rf"\b(?:for|longer than|more than|over|after|at least|within) (?:(?:longer|more) than |at least )?{_NUMBER} ?"
        r"(?P<unit>s|secs?|seconds?|mins?|minutes?|h|hours?)\b",
        "one picture does not show how long something lasts",
        "let tracks take the time: track: {{object: {object}, inside: {zone}, longer_than: {length}}}, "
        "or leave it out of the words and write timing: {{dwell: {length}}}",
    ),
    _Pattern(
        r"\b(?:left to right|right to left|the wrong way|(?:wrong|opposite) direction"
        r"|cross(?:es|ing)? (?:the |a )?(?:[\w-]+ )?line)\b",
        "one picture does not show which way something moves",
        "draw a line and write track: {{object: {object}, crosses: LINE, direction: left_to_right}}",
    ),
    _Pattern(
        r"\b(?:left behind|left alone|unattended|(?:abandoned|forgotten) (?:\w*bag|\w*pack|suitcase|luggage|parcel))\b",
        "one picture does not show that somebody went away",
        "let tracks tell: track: {{object: [backpack, suitcase, handbag], left_behind: 30s}}",
    ),
    _Pattern(
        r"\b(?:too fast|speeding|very fast|at (?:high )?speed|faster than|quickly)\b",
        "one picture does not show a speed",
        "let tracks tell: track: {{object: {object}, faster_than: 1.8}} (a run, in its own heights a second)",
    ),
    _Pattern(
        r"\b(?:suspicious(?:ly)?|strange(?:ly)?|weird|odd|unusual(?:ly)?|abnormal(?:ly)?|dangerous(?:ly)?|anomal\w+"
        r"|illegal(?:ly)?|criminal|something happens|incident|emergency(?! exit| door)|threats?)\b",
        "this is what somebody thinks of it, not what is seen",
        "say what is seen (when: a person tries the doors of parked cars), or let the camera learn what is normal: "
        "unusual: true",
    ),
    _Pattern(
        r"\b(?:wants? to|intends? to|plans? to|about to|going to|tries to|trying to|is likely to|on purpose"
        r"|in order to|thinking|bored|angry|nervous(?:ly)?)\b",
        "an intention cannot be seen",
        "say what it looks like: not “wants to steal a bike” but when: a person cuts a bicycle lock",
    ),
    _Pattern(
        r"\b(?:screams?|screaming|shouts?|shouting|noise|loud(?:ly)?|sounds?|gunshots?"
        r"|smells?|smelling|stench|odou?r|gas leak|temperature)\b",
        "a camera has no ears, nose or thermometer",
        "say what is seen: not “somebody screams” but when: a person with raised arms and an open mouth",
    ),
    _Pattern(
        r"\b(?:(?:un)?(?:authori[sz]ed|known|familiar|permitted)|stranger|intruder|trespasser"
        r"|(?:the|my) (?:owner|boss|manager|neighbou?r|wife|husband|son|daughter))\b"
        r"|(?-i:\b(?:Mr|Mrs|Ms|Dr)\.? [A-Z]\w+)",
        "an encoder knows nobody, and who is allowed cannot be seen",
        "say what they wear (when: a person in street clothes beside a machine), or keep to a place and hours: "
        "track: {{object: person, enters: {zone}}} with schedule:",
    ),
    _Pattern(
        r",? (?:or|as well as|and/or) |; | and (?=(?:(?:an?|the) (?:person|m[ae]n|car|vehicle)|some(?:one|body)) )",
        "several things at once are scored as their mixture, which fits none of them",
        "write a rule for each: when: {before}, and another with when: {after}",
    ),
    _Pattern(
        r"\b(?:at night|after hours|during the (?:night|day)|at weekends?|on (?:mon|tues|sun)days?)\b",
        "the hour is better known from the clock than from the picture",
        'leave it out of the words and write schedule: "22:00-06:00"',
    ),
)


def remarks(
    rule: Rule, *, model_id: str = "", encoder: TextEncoder | None = None, others: Sequence[Rule] = ()
) -> tuple[Remark, ...]:
    """All that is to be said of the rule's `when:`; empty for a rule without.

    Args:
        rule: The rule.
        model_id: The encoder's name as the site file has it: it may say that other languages are read.
        encoder: Warm; with it, the words are also compared with ordinary scenes and with the other rules.
        others: Rules of the same site.
    """
    if rule.when is None:
        return ()
    text = " ".join(rule.when.split())
    found = [pattern.look(rule, text) for pattern in _PATTERNS]
    found += [_too_broad(rule, text), _too_long(text), _other_script(text, model_id)]
    if encoder is not None and encoder.supports_text:
        found += _by_encoder(rule, text, encoder, others)
    return tuple(remark for remark in found if remark is not None)


def _fields(rule: Rule, found: re.Match[str]) -> dict[str, object]:
    """What a suggestion may name, from the rule and the words found."""
    said = found.groupdict()
    number = said.get("number") or "0"
    count = _NUMBERS.get(number.lower()) or int(number)
    before, after = found.string[: found.start()], found.string[found.end() :]
    return {
        "object": _label(rule, found.string),
        "zone": rule.zone or "ZONE",
        "limit": count if (said.get("more") or "").lower() in _ABOVE else max(count - 1, 0),
        "length": f"{count}{(said.get('unit') or 's')[0].lower()}",
        "before": before.strip(" ,.;"),
        "after": after.strip(" ,.;"),
    }


def _label(rule: Rule, text: str) -> str:
    """The label for a track rule: the rule's own, or a thing that the words name."""
    if rule.object:
        return rule.object[0] if len(rule.object) == 1 else f"[{', '.join(rule.object)}]"
    return next((label for label, words in _LABELS.items() if words.search(text)), "any")


_BROAD = re.compile(
    r"(?i)(?:(?:an?|the|any|some|one) )?(?:person|people|human|man|woman|child|someone|somebody|car|vehicle|truck|bus"
    r"|bicycle|motorcycle|dog|cat|animal|bag|thing|object|movement|motion|activity)s?"
    r"(?: (?:is|are) (?:there|present|visible|detected|seen))?[.!]?"
)


def _too_broad(rule: Rule, text: str) -> Remark | None:
    if _BROAD.fullmatch(text):
        return Remark(
            f"“{text}” is there all day: it says nothing of what it does",
            "say what it does (when: a person climbs the fence), or let tracks find it: "
            f"track: {{object: {_label(rule, text)}, inside: {rule.zone or 'ZONE'}}}",
        )
    if text.isascii() and len(text.split()) == 1:
        return Remark(
            f"“{text}” is a single word, which means many things to an encoder",
            "write who does what and where, as under a photo: when: a person climbs over the fence",
        )
    return None


def _too_long(text: str) -> Remark | None:
    num_words = len(text.split())
    if num_words <= _WORDS_READ:
        return None
    return Remark(
        f"{num_words} words: an encoder reads about the first {_WORDS_READ} and knows nothing of the rest",
        "keep one short sentence in when: and move the rest to ask:, which the vision-language model reads whole",
    )


def _other_script(text: str, model_id: str) -> Remark | None:
    letters = [character for character in text if character.isalpha()]
    if _MANY_LANGUAGES.search(model_id) or all(ord(character) < 0x250 for character in letters):
        return None
    return Remark(
        "this script is not one that encoders trained on English read; the words would be scored at random",
        "write when: in English and keep your own words in ask:, or set models.encoder to a SigLIP 2 model",
    )


def _by_encoder(rule: Rule, text: str, encoder: TextEncoder, others: Sequence[Rule]) -> list[Remark | None]:
    """What only vectors show; nearness is measured by how far the words' own prompts lie apart."""
    ordinary = [caption.text for caption in shipped_captions() if not caption.is_abnormal]
    rivals = [other for other in others if other.id != rule.id and other.enabled and other.when is not None]
    plain = encode_in_batches([text, *ordinary], encoder)
    nearest = [ordinary[index] for index in np.argsort(-(plain[1:] @ plain[0]), kind="stable")[:_NUM_LOOKED_AT]]
    own, *vectors = embed_texts([text, *nearest, *(str(other.when) for other in rivals)], encoder)
    same = wording_spread(text, own, encoder)
    alike = [float(vector @ own) for vector in vectors]
    return [
        _like_the_ordinary(nearest, alike[: len(nearest)], same),
        *_twins(rule, rivals, alike[len(nearest) :], same),
    ]


def _like_the_ordinary(ordinary: Sequence[str], alike: Sequence[float], same: float) -> Remark | None:
    closest, text = max(zip(alike, ordinary, strict=True))
    if closest < same:
        return None
    return Remark(
        f"the encoder cannot tell it from “{text}”, which is seen every day",
        "name what makes it different: what is done, with what, where; or show it: examples: [one.jpg, two.jpg]",
    )


def _twins(rule: Rule, rivals: Sequence[Rule], alike: Sequence[float], same: float) -> Iterable[Remark]:
    for other, value in zip(rivals, alike, strict=True):
        share_cameras = not rule.cameras or not other.cameras or set(rule.cameras) & set(other.cameras)
        if share_cameras and rule.zone == other.zone and value >= same:
            yield Remark(
                f"the encoder cannot tell it from rule {other.id} (“{other.when}”): both alert for the same",
                f"keep one of them, or give them different zones or hours: enabled: false in {other.id}",
            )
