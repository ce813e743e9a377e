"""Which citations of an answer hold."""

from __future__ import annotations

import pytest

from pipeline.search.citations import Citation, check
from pipeline.search.found import cite
from tests.support.archive import BAG, ENTRY

KNOWN = {BAG.id: BAG, ENTRY.id: ENTRY}
B, E = BAG.id[:8], ENTRY.id[:8]


@pytest.mark.parametrize(
    ("text", "checked", "removed"),
    [
        (f"A man left it [{B}].", f"A man left it {cite(BAG)}.", ()),
        (f"A man left it [{BAG.id}#1].", f"A man left it {cite(BAG, 1)}.", ()),
        (f"Both [{B}#1, {E}].", f"Both {cite(BAG, 1)}{cite(ENTRY)}.", ()),
        (f"他放下了包【{B[:4]}】。", f"他放下了包 {cite(BAG)}。", ()),
        ("A man [deadbeef].", "A man.", ("deadbeef",)),
        (f"A man [{B}#9].", "A man.", (f"{B}#9",)),
        (f"A man [{B}, feed0000].", f"A man {cite(BAG)}.", ("feed0000",)),
        ("A man [INC-0042].", "A man.", ("INC-0042",)),
        ("At [22:14] in [the yard] [x].", "At [22:14] in [the yard] [x].", ()),
        ("", "", ()),
    ],
    ids=[
        "incident",
        "frame",
        "several",
        "chinese",
        "unknown",
        "no such frame",
        "one of two",
        "made up",
        "words",
        "none",
    ],
)
def test_only_what_was_looked_up_may_be_cited(text: str, checked: str, removed: tuple[str, ...]) -> None:
    """Wrong ones go, and are told; what is no citation stays."""
    found = check(text, KNOWN)
    assert (found.text, found.removed) == (checked, removed)


def test_citations_are_listed_once_in_the_order_of_the_text() -> None:
    """With the whole id and the frame's number."""
    found = check(f"[{E}] then [{B}#1] and [{E}]", KNOWN)
    assert found.citations == (Citation(ENTRY.id, None), Citation(BAG.id, 1))
