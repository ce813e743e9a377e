"""Scores of words and of the caption memory, without a model: sentences stand for pictures, shared words for nearness.

Real sentences of a vision-language model (Avenue, Ped2 and UBnormal as AnomalyRuler describes them, CogVLM), read at 2
a second, become vectors of hashed words (`tests.support.words.BagOfWords`): a sentence whole, as an encoder takes a
whole picture, and each clause of it about somebody, the best counting, as a rule with `object:` takes the things of a
picture one by one. Measured is the area under the ROC curve over all frames of a set: how often a frame labelled
abnormal scores above one that is not.

What it shows: whether the retrieval, the scaling, the contrasts and the captions themselves rank real descriptions.
What it does not: whether an encoder puts a picture near the right words, nor what repulsive prefixes do, which here add
the same words to a whole half. Shared words are a crude nearness: “the person on the left” is near to “a trolley left
on the tracks”. No figure here carries over to pictures.

Nothing is tuned: the constants of the scorers are Flashback's or CLIP's, the captions were written before they were
scored, and the words of `RULES` are what the sets' authors say is abnormal in them. How sentences are cut into clauses
was settled with figures of all three sets in sight. The fixed keywords that all is compared with, those of
`captions.py`, were chosen on the 1st, 3rd … video of each set: they are at home on that half.
"""

from __future__ import annotations

import csv
import io
import re
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from captions import KEYWORDS, SETS
from measure import ROOT, SHARED, parser, save, show
from numpy.typing import NDArray
from scipy.stats import rankdata

sys.path.insert(0, str(ROOT))

from pipeline.events.captions import CaptionMemory
from pipeline.events.scored import Scorer
from pipeline.events.words import WordScorer, embed_texts
from tests.support.words import BagOfWords

STEP = 12
"""Every how manieth frame is read: 2 of 24 a second."""
NUM_DIMENSIONS = 512
"""Of the cost: as CLIP ViT-B has."""
ROUNDS = 300
AT = datetime(2026, 1, 1, tzinfo=UTC)
RULES = {
    "avenue": ("a person running", "a person throwing an object", "a person loitering"),
    "ped2": ("a person riding a bicycle", "a person riding a skateboard", "a cart driving among pedestrians"),
    "UBNormal": (
        "a person running",
        "a person falling",
        "people fighting",
        "a person sleeping on the ground",
        "a person crawling",
        "a person having a seizure",
        "a person lying down",
        "a person dancing",
        "a person stealing",
        "a person walking drunk",
        "a person limping, injured",
        "a car accident",
        "a car hitting a person",
        "fire",
        "smoke",
        "a person crossing the street between cars",
        "a car driving outside its lane",
    ),
}
"""Avenue: Lu et al. 2013; Ped2: Mahadevan et al. 2010; UBnormal: Acsintoae et al. 2022, table of abnormal events."""

SOMEBODY = re.compile(r"(?i)\b(?:persons?|people|m[ae]n|wom[ae]n|girls?|boys?|child(?:ren)?|individuals?|another)\b")
OTHER_THINGS = re.compile(r"(?i)\b(?:other than|apart from|besides|aside from) (?:the )?(?:people|person)\b")
"""What follows is of the place: the model was asked who does what, and then what else there is."""
BREAKS = re.compile(r"[.,;]|\band\b|\bwhile\b")

Scores = NDArray[np.float64]
Way = Callable[[Sequence[str]], Scores]


@dataclass(frozen=True, slots=True)
class Half:
    """Sentences with their labels, of some videos of a set."""

    sentences: list[str]
    labels: NDArray[np.bool_]


def halves(name: str) -> dict[str, Half]:
    """`all` videos of a set, and the `other half` that the keywords were not chosen on."""
    with tarfile.open(SHARED / "annotations" / "anomalyruler" / f"{name}.tar.xz") as archive:
        files = {Path(m.name): archive.extractfile(m) for m in archive if m.isfile()}
        read = {path: file.read().decode() for path, file in files.items() if file is not None}
    found = []
    for path in sorted(path for path in read if path.suffix == ".csv"):
        sentences = read.get(path.parent.parent / "test_frame_description" / f"{path.stem}.txt")
        if sentences is not None:
            labels = [row["label"].strip() == "1" for row in csv.DictReader(io.StringIO(read[path]))]
            found.append((sentences.splitlines()[::STEP], labels[::STEP]))
    return {"all": _joined(found), "other half": _joined(found[1::2])}


def _joined(videos: Sequence[tuple[list[str], list[bool]]]) -> Half:
    return Half(
        [line for lines, _ in videos for line in lines], np.array([flag for _, flags in videos for flag in flags])
    )


def auc(scores: Scores, labels: NDArray[np.bool_]) -> float:
    """Area under the ROC curve; equal scores count half (Mann-Whitney)."""
    ranks, num_abnormal = rankdata(scores), int(labels.sum())
    over = float(ranks[labels].sum()) - num_abnormal * (num_abnormal + 1) / 2
    return over / (num_abnormal * (len(labels) - num_abnormal))


def clauses(sentence: str) -> list[str]:
    """What it says of each person; the whole sentence when it speaks of none."""
    found = [one for one in BREAKS.split(OTHER_THINGS.split(sentence)[0]) if SOMEBODY.search(one)]
    return found or [sentence]


def by_clause(way: Way) -> Way:
    """The best clause's score."""

    def scored(sentences: Sequence[str]) -> Scores:
        parts = [clauses(sentence) for sentence in sentences]
        best = np.zeros(len(parts))
        owners = np.repeat(np.arange(len(parts)), [len(one) for one in parts])
        np.maximum.at(best, owners, way(list(chain.from_iterable(parts))))
        return best

    return scored


def ways(name: str, encoder: BagOfWords, memory: CaptionMemory) -> dict[str, Way]:
    """How a set's sentences are scored, by name."""
    rules = RULES[name]
    return {
        "fixed keywords": lambda of: np.array([float(KEYWORDS.search(one.lower()) is not None) for one in of]),
        "caption memory": lambda of: _scored([memory], of, encoder),
        "words: plain similarity": lambda of: (encoder.encode_texts(of) @ embed_texts(rules, encoder).T).max(axis=1),
        "words: their own and general contrasts": lambda of: _scored(
            [WordScorer(r, encoder) for r in rules], of, encoder
        ),
        "words: and the memory's": lambda of: _scored([WordScorer(r, encoder, memory) for r in rules], of, encoder),
    }


def _scored(scorers: Sequence[Scorer], sentences: Sequence[str], encoder: BagOfWords) -> Scores:
    """The best of several scorers; 0 where none can say."""
    vectors = encoder.encode_texts(sentences)
    scores = [[match.score for match in scorer.match(vectors, AT)] for scorer in scorers]
    return np.nan_to_num(np.array(scores)).max(axis=0)


def ranked() -> list[dict[str, Any]]:
    """A row a set and way."""
    encoder = BagOfWords()
    memory = CaptionMemory(encoder)
    rows = []
    for name in SETS:
        of = halves(name)
        for way, scored in ways(name, encoder, memory).items():
            views = {"whole": scored, "clauses": by_clause(scored)}
            row = {
                f"{view}, {half}": auc(look(one.sentences), one.labels)
                for view, look in views.items()
                for half, one in of.items()
            }
            rows.append({"set": name, "frames": len(of["all"].labels), "scored by": way, **row})
    return rows


def costs() -> list[dict[str, Any]]:
    """Microseconds a call, the median, for one picture and for one with eight things cut out."""
    encoder = BagOfWords(NUM_DIMENSIONS)
    memory = CaptionMemory(encoder)
    scorers = {"WordScorer": WordScorer("a person climbs over the fence", encoder, memory), "CaptionMemory": memory}
    random = np.random.default_rng(5).normal(size=(8, NUM_DIMENSIONS)).astype(np.float32)
    vectors = random / np.linalg.norm(random, axis=1, keepdims=True)
    return [
        {"scorer": name, "vectors": num, "µs a call": _median_us(scorer, vectors[:num])}
        for name, scorer in scorers.items()
        for num in (1, 8)
    ]


def _median_us(scorer: Scorer, vectors: NDArray[np.float32]) -> float:
    spent = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        scorer.match(vectors, AT)
        spent.append(time.perf_counter() - start)
    return float(np.median(spent)) * 1e6


def main() -> None:
    """Run, print, and with `--save` keep the figures."""
    given = parser(__doc__ or "").parse_args()
    figures = {"ranking": ranked(), "cost": costs()}
    for title, rows in figures.items():
        show(title, list(rows[0]), [list(row.values()) for row in rows])
    if given.save:
        print(save(Path(__file__).stem, figures))


if __name__ == "__main__":
    main()
