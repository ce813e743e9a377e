"""Rules as people type them in haste."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.scenes.claims import Claim
from pipeline.scenes.terse import ZONE_NAMES, terse

CLAIMS = {
    "nobody": Claim("nobody", "person", where="in", zone="zone"),
    "several": Claim("does", "car", "parked", count=3),
    "lies": Claim("does", "person", "lie", where="near", zone="zone", seconds=120.0),
    "carries": Claim("does", "person", carrying="suitcase"),
    "follows": Claim("follows", "person", line="line", seconds=3.0),
    "crosses": Claim("crosses", "vehicle", line="line"),
    "rain": Claim("state", state="rain", seconds=60.0),
    "bag": Claim("does", "bag", "unattended"),
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", CLAIMS)
def test_every_kind_has_many_short_forms(name: str, language: str) -> None:
    """None of them empty or with a gap left open."""
    texts = {terse(CLAIMS[name], language, np.random.default_rng(seed)) for seed in range(40)}
    assert len(texts) > 15
    assert all(text.strip() and not set("{}") & set(text) for text in texts)


def test_more_than_one_less_is_at_least_so_many() -> None:
    """`more than two` asks for three."""
    texts = {terse(CLAIMS["several"], "en", np.random.default_rng(seed)).lower() for seed in range(200)}
    assert any("more than two cars" in text or "more than 2 cars" in text for text in texts)
    assert not any("more than three" in text or "more than 3 cars" in text for text in texts)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_zones_go_by_any_name(language: str) -> None:
    """Hundreds of them, as operators call their places."""
    texts = [terse(CLAIMS["nobody"], language, np.random.default_rng(seed)).lower() for seed in range(200)]
    named = {place for place in ZONE_NAMES[language] if any(place in text for text in texts)}
    assert len(named) > 60
