"""A site file's text as plain values, with the line of every path and `${NAME}` filled in from the environment."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import yaml

from pipeline.errors import SiteFileError, SiteProblem

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MIN_SECRET_LENGTH = 4
_MOST_BITS = 64
_MOST_NODES = 200_000
"""A site of a thousand cameras with ten rules each has some 100,000."""


class Document:
    """YAML as plain values, with the line of every path and `${NAME}` filled in."""

    def __init__(self, text: str, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self.problems: list[SiteProblem] = []
        self._lines: dict[tuple[str | int, ...], int] = {}
        self._environment = environment
        self._filled: dict[str, str] = {}
        """Value to `${NAME}`, for every variable filled in."""
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            if root is None:
                raise SiteFileError(name, (SiteProblem(0, "file", "expected cameras and rules, got an empty file"),))
            check_size(root)
            self.value = self._build(root, ())
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else 0
            raise SiteFileError(name, (SiteProblem(line, "YAML", str(getattr(error, "problem", error))),)) from error
        except RecursionError:
            problem = SiteProblem(0, "YAML", "nested too deeply, or an *alias that contains itself")
            raise SiteFileError(name, (problem,)) from None
        if not isinstance(self.value, dict):
            raise SiteFileError(name, (SiteProblem(1, "file", "expected keys such as cameras: and rules:"),))

    def line(self, path: Iterable[str | int]) -> int:
        """Line of the nearest known ancestor of `path`."""
        keys = tuple(path)
        while keys and keys not in self._lines:
            keys = keys[:-1]
        return self._lines.get(keys, 0)

    def without_secrets(self, problem: SiteProblem) -> SiteProblem:
        """The problem with what came from the environment shown as `${NAME}`."""
        message, hint = problem.message, problem.hint
        for value in sorted(self._filled, key=len, reverse=True):
            for form in _as_shown(value):
                message = message.replace(form, self._filled[value])
                hint = hint.replace(form, self._filled[value])
        return replace(problem, message=message, hint=hint)

    def _build(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        self._lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._build_mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._build(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _build_mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in built:
                self.problems.append(SiteProblem(line, dotted((*path, key)), "the same key stands here twice"))
            self._lines[(*path, key)] = line
            built[key] = self._build(value_node, (*path, key))
        return built

    def _scalar(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        try:
            value = yaml.SafeLoader("").construct_object(node, deep=True)
        except ValueError as error:  # what looks like a date and is none: 2026-13-45
            self.problems.append(SiteProblem(self.line(path), dotted(path), f"{error}, got {node.value}"))
            value = node.value
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            value = node.value  # Python refuses to write out numbers that long
        # YAML 1.1 reads 22:00 as a number to the base of 60.
        if "schedule" in path[-2:] and isinstance(value, int):
            value = node.value
        return self._fill(value, path) if isinstance(value, str) else value

    def _fill(self, text: str, path: tuple[str | int, ...]) -> str:
        def value_of(match: re.Match[str]) -> str:
            name = match.group(1)
            if name in self._environment:
                value = self._environment[name]
                if len(value) >= _MIN_SECRET_LENGTH:
                    self._filled[value] = match.group(0)
                return value
            near = difflib.get_close_matches(name, list(self._environment), n=1)
            self.problems.append(
                SiteProblem(
                    self.line(path),
                    dotted(path),
                    f"the environment variable {name} is not set",
                    f"did you mean {near[0]}?" if near else f"export {name}=… before starting",
                )
            )
            return f"unset-{name}"

        return _VARIABLE.sub(value_of, text)


def _as_shown(value: str) -> tuple[str, ...]:
    """A value as it stands in messages: as it is, and in quotes, with what Python escapes there; the longest first."""
    escaped = repr("'\"" + value)[4:-1]  # with both quotes before it, single ones are escaped
    return escaped, escaped.replace("\\'", "'"), value


def check_size(root: yaml.Node) -> None:
    """`YAMLError` when aliases of aliases make more of it than any site has; `RecursionError` when one holds itself."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if id(node) not in sizes:
            items = node.value if isinstance(node, yaml.CollectionNode) else ()
            sizes[id(node)] = 1 + sum(sum(map(size, item)) if isinstance(item, tuple) else size(item) for item in items)
        return sizes[id(node)]

    if size(root) > _MOST_NODES:
        raise yaml.YAMLError(f"expected {_MOST_NODES:,} values at most, with every *alias written out")


def dotted(path: Iterable[str | int]) -> str:
    """`cameras[0].zones.fence`, as messages name a place."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text or "file"
