"""Which incidents of different cameras may be one happening.

Pure functions. Two incidents are linked when they are near in time and what they are about looks alike. Where that is
not known of both, it takes more: the same rule, or things of the same kind, at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import numpy as np

from pipeline.contracts.candidate import Candidate
from pipeline.contracts.incident import Incident, Link
from pipeline.contracts.values import unpack_vector
from pipeline.incidents.appearance import likeness

_AT_ONCE_SECONDS = 5.0
"""Of incidents that nothing but time and kind joins: what two cameras see of one thing overlaps, or nearly. Dwell and
gap of rules and the sampling of a quiet camera make up for as much."""


def links(incident: Incident, others: Iterable[Incident], *, within_seconds: float, min_likeness: float) -> list[Link]:
    """What `incident` is linked with among `others`; its own camera's are left out."""
    found = []
    for other in others:
        is_seen = incident.candidate.condition is None and other.candidate.condition is None
        if is_seen and other.camera_id != incident.camera_id:
            link = _link(incident, other, within_seconds, min_likeness)
            found += [link] if link is not None else []
    return found


def _link(one: Incident, other: Incident, within_seconds: float, min_likeness: float) -> Link | None:
    apart_seconds = seconds_apart(one, other)
    if apart_seconds > within_seconds:
        return None
    similarity = _similarity(one.candidate, other.candidate)
    if similarity is None:
        is_one_kind = one.rule_id == other.rule_id or bool(one.candidate.labels & other.candidate.labels)
        is_linked = is_one_kind and apart_seconds <= _AT_ONCE_SECONDS
    else:
        is_linked = similarity >= min_likeness
    return Link(one.id, other.id, apart_seconds, similarity) if is_linked else None


def seconds_apart(one: Incident, other: Incident) -> float:
    """From the end of the earlier to the start of the later, 0 when they overlap; what is open lasts."""
    first, second = sorted((one, other), key=lambda each: each.candidate.started_at)
    until = _until(first)
    return max((second.candidate.started_at - until).total_seconds(), 0.0) if until is not None else 0.0


def _until(incident: Incident) -> datetime | None:
    """When it was last met; None while it is open."""
    if incident.closed_at is None:
        return None
    return max(incident.closed_at, incident.candidate.repeated_at or incident.closed_at)


def _similarity(one: Candidate, other: Candidate) -> float | None:
    """Of what they look like, when that is known of both: by colours, and no more than an encoder lets it be.

    The encoder's cosine only takes away, for it is high between any two things of a kind.
    """
    mine, theirs = unpack_vector(one.appearance), unpack_vector(other.appearance)
    by_colours = likeness(mine, theirs) if mine is not None and theirs is not None else None
    by_encoder = _by_encoder(one, other)
    return by_colours if by_colours is None or by_encoder is None else min(by_colours, by_encoder)


def _by_encoder(one: Candidate, other: Candidate) -> float | None:
    """Cosine of the things cut out by themselves, at least 0; None unless one encoder saw both so."""
    if one.models.get("encoder") != other.models.get("encoder") or not (_is_of_thing(one) and _is_of_thing(other)):
        return None
    mine, theirs = unpack_vector(one.embedding), unpack_vector(other.embedding)
    if mine is None or theirs is None or mine.shape != theirs.shape:
        return None
    return float(np.clip(mine @ theirs, 0.0, 1.0))


def _is_of_thing(candidate: Candidate) -> bool:
    """Whether `embedding` is of one thing and not of the whole picture: then its score has a place."""
    return any(fact.unit == "score" and fact.position is not None for fact in candidate.facts)
