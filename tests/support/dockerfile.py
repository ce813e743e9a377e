"""A Dockerfile as its stages and what each of them does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT

DOCKERFILE = ROOT / "deployments" / "docker" / "Dockerfile"
_CONTINUED = re.compile(r"\\\n\s*")


@dataclass(frozen=True, slots=True)
class Stage:
    """One `FROM` and its instructions, in order: (`RUN`, `pip install …`)."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def of(self, word: str) -> list[str]:
        """The arguments of all instructions of this kind."""
        return [arguments for kind, arguments in self.instructions if kind == word]


def read_stages(path: Path) -> dict[str, Stage]:
    """Every stage by name. Instructions before the first `FROM` (global `ARG`s) are in the stage `''`."""
    stages = {"": Stage("", "")}
    current = stages[""]
    for word, arguments in _instructions(path.read_text(encoding="utf-8")):
        if word == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", arguments).groups()  # type: ignore[union-attr]
            current = stages.setdefault(name, Stage(name, base))
        else:
            current.instructions.append((word, arguments))
    return stages


def lineage(stages: dict[str, Stage], name: str) -> list[Stage]:
    """A stage and all it is built on, the oldest first."""
    found = [stages[name]]
    while found[0].base in stages:
        found.insert(0, stages[found[0].base])
    return found


def pip_steps(stages: dict[str, Stage], target: str) -> list[str]:
    """The commands that install what the image `target` depends on."""
    runs = [run for stage in lineage(stages, f"{target}-packages") for run in stage.of("RUN")]
    return [step for run in runs for step in run.split(" && ") if step.startswith("pip install")]


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in _CONTINUED.sub(" ", lines).splitlines():
        if line.strip():
            word, _, arguments = line.partition(" ")
            yield word, arguments.strip()
