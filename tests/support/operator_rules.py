"""Rules as operators wrote them who knew nothing of the models, with what they ask; and whether they are read right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.models.claim_parts import CLAIM_PARTS
from pipeline.models.rule_reader import Meaning

_DATA = Path(__file__).parents[2] / "benchmarks" / "data"
_MOST = len(CLAIM_PARTS["count"])


def operator_rules(*, tuned_on: bool = False) -> list[dict[str, Any]]:
    """Those that nobody looked at, or those whose errors were read before `scenes.terse` was written."""
    name = "operator_rules_tuned_on.json" if tuned_on else "operator_rules.json"
    rules: list[dict[str, Any]] = json.loads((_DATA / name).read_text(encoding="utf-8"))
    return rules


def right_parts(rule: Mapping[str, Any], read: Meaning) -> dict[str, bool]:
    """Of each part, and of the duration (which means nothing where the rule asks something unknown)."""
    asked = {name: str(min(rule["count"], _MOST) if name == "count" else rule[name]) for name in CLAIM_PARTS}
    right = {name: read.parts[name] == asked[name] for name in CLAIM_PARTS}
    return right | {"seconds": rule["kind"] == "unknown" or read.seconds == rule["seconds"]}
