"""What `learn-rules` found, as entries of a site file and for scripts; and the sentences it is given in files."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.cli.output import counted, plain
from pipeline.contracts.rule import Rule
from pipeline.errors import ConfigError
from pipeline.reasoning.induction import Induced, Induction, Sentence

_MAX_CAPTIONS_BYTES = 64 * 2**20
_MAX_ID_CHARACTERS = 63
_MAX_COMMENT_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule to review, and what speaks for it."""

    rule: Rule
    source: Induced


@dataclass(frozen=True, slots=True)
class Learnt:
    """Everything about one camera."""

    camera_id: str
    found: Induction
    by: str
    """Who proposed: a model's name, or words for the lexicon."""
    entries: tuple[Entry, ...]


def read_captions(path: Path) -> list[Sentence]:
    """One sentence a line, or of a `.csv` its column `sentence` with its `time`; empty ones are left out.

    Raises:
        ConfigError: not there, not text, too large, without sentences, or a table without that column.
    """
    try:
        if path.stat().st_size > _MAX_CAPTIONS_BYTES:
            raise ConfigError(f"{path} has more than {_MAX_CAPTIONS_BYTES // 2**20} MiB: give fewer sentences")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--captions {path}: cannot be read as text: {error}") from error
    if path.suffix.lower() == ".csv":
        found = _rows(path, lines)
    else:
        found = [Sentence(line.strip(), f"{path.name}, line {n}") for n, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise ConfigError(f"--captions {path}: there is no sentence in it")
    return found


def _rows(path: Path, lines: Sequence[str]) -> list[Sentence]:
    try:
        rows = list(csv.DictReader(lines))
    except csv.Error as error:
        raise ConfigError(f"--captions {path}: not a table: {error}") from error
    if rows and "sentence" not in rows[0]:
        raise ConfigError(f"--captions {path}: expected the columns time,sentence; got {', '.join(map(str, rows[0]))}")
    texts = ((row.get("time") or "", (row.get("sentence") or "").strip()) for row in rows)
    return [Sentence(text, f"{path.name} at {time or '?'}") for time, text in texts if text]


def entries_of(found: Induction, camera_id: str, taken: set[str]) -> Iterator[Entry]:
    """Anomalies as rules that a site file can hold, under names that it does not have yet."""
    names = set(taken)
    for one in found.anomalies:
        name = _name(f"{camera_id}-{_short(one.words)}", names)
        names.add(name)
        rule = Rule.model_validate({"id": name, "when": one.words, "cameras": camera_id, "enabled": False})
        yield Entry(rule, one)


def _short(words: str) -> str:
    """`a person running or rushing` → `running-or-rushing`."""
    kept = [
        word for word in re.findall(r"[a-z0-9]+", words.lower()) if word not in {"a", "an", "the", "person", "people"}
    ]
    return "-".join(kept[:4]) or "unusual"


def _name(wanted: str, taken: set[str]) -> str:
    wanted = wanted[: _MAX_ID_CHARACTERS - 4].rstrip("-.")
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name


def site_text(learnt: Learnt) -> str:
    """YAML: what is normal as comments, then the rules under `rules:`."""
    return "\n".join([*_head(learnt), "rules:" if learnt.entries else "rules: []", *_entries(learnt), ""])


def _head(learnt: Learnt) -> Iterator[str]:
    found = learnt.found
    told = f"{counted(found.num_sentences, 'sentence')} in {counted(found.num_batches, 'batch', 'batches')}"
    yield f"# Rules for camera {learnt.camera_id}, induced from {told} of normal footage by {_line(learnt.by)}."
    yield "# Read each one, copy what you want to hear about into the site file, and set enabled: true there."
    if found.normal:
        yield "# Normal there, by the vote of the batches:"
    for one in found.normal:
        yield f"#   {one.votes} of {found.num_batches}: {_line(one.words)}"
        yield from (f"#     {_said(sentence)}" for sentence in one.evidence[:1])
    for one in found.contradicted:
        yield f"# Left out, for it is normal there: {_line(one.words)} ({_line(one.against)})"


def _entries(learnt: Learnt) -> Iterator[str]:
    for entry in learnt.entries:
        source = entry.source
        against = f"; contrasts with: {_line(source.against)}" if source.against else ""
        yield f"  # proposed by {source.votes} of {learnt.found.num_batches} batches{against}"
        if source.evidence:
            yield "  # seldom, but said in this footage, too; expect alerts of that:"
            yield from (f"  #   {_said(sentence)}" for sentence in source.evidence)
        yield f"  - id: {entry.rule.id}"
        yield f"    when: {json.dumps(_line(source.words), ensure_ascii=False)}"
        yield f"    cameras: {json.dumps(learnt.camera_id)}"
        yield "    enabled: false"


def _said(sentence: Sentence) -> str:
    return f"{_line(sentence.where)}: “{_line(sentence.text)}”"


def _line(text: str) -> str:
    """One printable line: a comment must not end where a model wants it to."""
    line = plain(" ".join(text.split()))
    return line if len(line) <= _MAX_COMMENT_CHARACTERS else f"{line[: _MAX_COMMENT_CHARACTERS - 1]}…"


def for_script(learnt: Learnt) -> dict[str, Any]:
    """All of it as JSON."""
    rules = [
        {"rule": entry.rule.model_dump(mode="json", exclude_defaults=True), **_votes(entry.source)}
        for entry in learnt.entries
    ]
    return {
        "type": "learned_rules",
        "camera_id": learnt.camera_id,
        "by": learnt.by,
        "sentences": learnt.found.num_sentences,
        "batches": learnt.found.num_batches,
        "normal": [{"words": one.words, **_votes(one)} for one in learnt.found.normal],
        "rules": rules,
        "contradicted": [{"words": one.words, **_votes(one)} for one in learnt.found.contradicted],
    }


def _votes(one: Induced) -> dict[str, Any]:
    return {"votes": one.votes, "against": one.against, "evidence": [asdict(each) for each in one.evidence]}
