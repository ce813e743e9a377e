"""Which metrics and labels a PromQL expression names, found by its shape: enough for rules and dashboards."""

from __future__ import annotations

import re

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"\b(?:ray_)?(sightline_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPED = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


def metrics_named(expression: str) -> dict[str, set[str]]:
    """Metric to the labels that its selectors match on."""
    found: dict[str, set[str]] = {}
    for name, matchers in _SELECTOR.findall(_STRING.sub('""', expression)):
        found.setdefault(name, set()).update(_MATCHER.findall(matchers))
    return found


def labels_grouped(expression: str) -> set[str]:
    """The labels that sums and maxima are taken by."""
    return {label.strip() for group in _GROUPED.findall(expression) for label in group.split(",")}


def values_matched(expression: str) -> set[str]:
    """The words that labels are compared with; variables of dashboards and `.*` are none."""
    texts = re.findall(r'\w+\s*(?:=~|!~|!=|=)\s*"([^"$]*)"', expression)
    return {word for text in texts for word in text.split("|") if word}
