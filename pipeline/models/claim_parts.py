"""The parts of what a rule can ask, as far as the clip model was taught: who, doing what, where, how many.

A rule's words are first read as these parts (`rule_reader`), and the clip is judged by them alone: what a wording
means is learned from text without a picture, what a part looks like from clips without a wording. The lists are
those of `pipeline.scenes.claims`, and `unknown` for what no scene can show; "" is none.
"""

from __future__ import annotations

CLAIM_PARTS: dict[str, tuple[str, ...]] = {
    "kind": ("does", "nobody", "crosses", "follows", "state", "unknown"),
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
PART_SIZES = [len(choices) for choices in CLAIM_PARTS.values()]
