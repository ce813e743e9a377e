"""The parts of what a rule can ask, as far as the clip model was taught: who, doing what, where, how many.

A rule's words are first read as these parts, then compared with what is seen: that is learned from far fewer clips
than the whole sentence would need. The lists are those of `pipeline.scenes.claims`; "" is none.
"""

from __future__ import annotations

CLAIM_PARTS: dict[str, tuple[str, ...]] = {
    "kind": ("does", "nobody", "crosses", "follows", "state"),
    "label": (
        "", "person", "vehicle", "animal", "bag", "car", "truck", "motorcycle", "bicycle", "dog", "cat", "bird",
        "backpack", "suitcase", "handbag", "smoke",
    ),
    "action": (
        "", "walk", "run", "stand", "crouch", "sit", "lie", "fall", "climb", "fight", "greet", "cycle", "wrong_way",
        "drive", "parked", "left", "carried", "unattended",
    ),
    "carrying": ("", "backpack", "suitcase", "handbag", "bag"),
    "where": ("", "in", "near", "outside"),
    "state": ("", "day", "dusk", "infrared", "rain", "fog", "covered", "moved", "defocused"),
    "count": ("1", "2", "3", "4", "5", "6"),
}  # fmt: skip
"""Part to what it can be."""
NUM_PARTS = len(CLAIM_PARTS)
NUM_PART_SCORES = sum(map(len, CLAIM_PARTS.values()))
