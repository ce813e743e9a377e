"""The sentence that a program adds to an answer, whatever a model said: when nobody was watching."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from pipeline.search.archive import Archive
from pipeline.search.found import Asked

_MOST_SENTENCES = 6


def blind_sentences(archive: Archive, asked: Iterable[Asked]) -> tuple[str, ...]:
    """Of each while that was asked about, when its cameras were not watched: `yard was not watched …: offline`.

    Whiles of one camera that touch are one.
    """
    by_while: dict[tuple[datetime, datetime], list[str]] = defaultdict(list)
    for camera_id, whiles in _of_cameras(asked).items():
        for span in _joined(whiles):
            by_while[span].append(camera_id)
    sentences = list(
        dict.fromkeys(
            sentence
            for (start, end), cameras in sorted(by_while.items())
            for sentence in archive.accounts.unwatched(sorted(cameras), start, end)
        )
    )
    num_more = len(sentences) - _MOST_SENTENCES
    more = [f"nor were others all the time ({num_more} more): see `sightline coverage`"] if num_more > 0 else []
    return (*sentences[:_MOST_SENTENCES], *more)


def _of_cameras(asked: Iterable[Asked]) -> dict[str, list[tuple[datetime, datetime]]]:
    whiles: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for each in asked:
        for camera_id in each.camera_ids:
            if each.start < each.end:
                whiles[camera_id].append((each.start, each.end))
    return whiles


def _joined(whiles: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(whiles):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
