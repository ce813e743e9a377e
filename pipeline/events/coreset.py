"""What one camera has seen, as a few hundred kinds of picture with the hours of the week at which each comes.

Vectors go in one by one; a kind stands for all within `radius` of its first picture. Which kinds are normal, by how
often they came, is decided here; when to learn, and what not to, is left to `normal`.

Distances are half a chord between unit vectors, `sqrt((1 - cosine) / 2)`: 0 for the same direction, 0.71 for unlike
ones, 1 for opposites; finer near 0 than the cosine is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pipeline.events.packed import Columns

Vector = NDArray[np.float32]
Floats = NDArray[np.float32]
WEEK_HOURS = 168
"""Slots: 0 is Monday 00:00 to 01:00 on the site's wall clock."""
CAPACITY = 256
_NEW_CAPACITY = 64
"""Of these, kinds that are not normal yet, once burn-in is over: junk takes the place of junk and no other."""
_THINNED = CAPACITY * 7 // 8
"""Kinds left by thinning out: the distances of all pairs are then reckoned once for many."""
OCCASIONS = 3
"""Separate occasions on which a kind must have come before it is normal: once is chance, twice may be its return."""
_APART_SECONDS = 4 * 3600.0
"""Absence after which a kind comes on another occasion: who stays about comes and goes within half a day's work."""
_LASTING_SECONDS = 24 * 3600.0
"""What never leaves has another occasion so often: a lasting change is normal after two days, a long attack is not."""
_DAYS_WORTH_HOURS = 24.0
"""A kind that was seen in more hours than these is not unlearned by one review: the picture as a whole is too much
like an ordinary one, and without that everything would be unusual."""
_LEAST_RADIUS = 0.01
"""Ten times what rounding to float16 moves a vector."""
_RADIUS_OF_REST = 1.5
"""Radius, at least, in distances at rest: with the noise of many dimensions every picture is about as far from each
other of its kind, and only a ball clearly wider than that finds a rare kind again."""
_REST_OVER = 5000
"""Pictures over which the distance at rest is a running median: seven hours."""
_HALF_LIFE_DAYS = 28.0
"""Of the hours in which a kind was seen: four of each hour of the week."""
_FORGOTTEN_HOURS = 0.5
"""A kind whose hours have faded below this is forgotten: one seen in three hours alone, after ten weeks."""


@dataclass(slots=True)
class _Kinds:
    """A row a kind."""

    vectors: Floats
    """(M, D), unit length."""
    hours: Floats
    """(M, 168): in how many hours of the clock it was seen, by slot of the week, fading."""
    occasions: NDArray[np.int32]
    """(M,)"""
    occasion_at: NDArray[np.float64]
    """(M,): when the last of them began, seconds since 1970."""
    seen_at: NDArray[np.float64]
    """(M,): when it was last seen."""
    counted_at: NDArray[np.float64]
    """(M,): the hour since 1970 that was last counted."""

    @classmethod
    def empty(cls, dimension: int, size: int = 0) -> _Kinds:
        times = (np.zeros(size) for _ in range(3))
        vectors, hours = np.zeros((size, dimension), np.float32), np.zeros((size, WEEK_HOURS), np.float32)
        return cls(vectors, hours, np.zeros(size, np.int32), *times)

    def columns(self) -> Columns:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        for name, column in self.columns().items():
            setattr(self, name, column[chosen])

    def add(self, vector: Vector) -> int:
        """The index of a new row."""
        row = _Kinds.empty(len(vector), 1)
        row.vectors[0] = vector
        for name, column in row.columns().items():
            setattr(self, name, np.concatenate([getattr(self, name), column]))
        return len(self.occasions) - 1


@dataclass(frozen=True, slots=True)
class Sighting:
    """When a picture was taken, in what the coreset counts by."""

    seconds: float
    """Since 1970."""
    slot: int
    """Of the week, 0..167."""


class Coreset:
    """Kinds of picture of one camera, at most `CAPACITY`. Not thread-safe."""

    def __init__(self, dimension: int) -> None:
        self._widest_closed = _LEAST_RADIUS
        self._rest, self._num_rest = _LEAST_RADIUS, 0
        self._kinds = _Kinds.empty(dimension)
        self._watched = np.zeros(WEEK_HOURS, np.float32)
        """(168,): hours of the clock in which anything was learned, by slot, fading like those of the kinds."""
        self._watched_at = 0.0
        self._faded_on = 0.0

    @property
    def dimension(self) -> int:
        """D of its vectors."""
        return int(self._kinds.vectors.shape[1])

    def __len__(self) -> int:
        return len(self._kinds.occasions)

    @property
    def is_normal(self) -> NDArray[np.bool_]:
        """(M,): which kinds came often enough."""
        return np.asarray(self._kinds.occasions >= OCCASIONS)

    @property
    def radius(self) -> float:
        """Pictures this near are of one kind. By the camera's own variety: what it takes to cover what was seen while
        burning in, and what pictures differ by when nothing happens."""
        return max(self._widest_closed, _RADIUS_OF_REST * self._rest)

    def note_rest(self, distance: float) -> None:
        """How far a picture is from the nearest of those minutes around it."""
        self._num_rest = min(self._num_rest + 1, _REST_OVER)
        self._rest *= math.exp(math.copysign(1 / self._num_rest, distance - self._rest))

    def distances(self, vectors: Floats) -> Floats:
        """(N, M) to every kind."""
        return half_chords(vectors @ self._kinds.vectors.T)

    def novelty(self, vectors: Floats, slot: int) -> Floats:
        """(N,) distance to the nearest normal kind, 0..1; 1 while there is none.

        A kind stands for all the pictures it took in, so the nearest one already is many neighbours. At an hour at
        which it does not come it counts as farther away, by up to two radii: two pictures of one kind are no farther
        apart, so that the hour alone can make one stand out.
        """
        normal = self.is_normal
        if not normal.any():
            return np.ones(len(vectors), np.float32)
        penalties = 2 * self.radius * (1.0 - self._familiarity(slot)[normal])
        nearest = (self.distances(vectors)[:, normal] + penalties).min(axis=1)
        return np.asarray(np.minimum(nearest, 1.0), np.float32)

    def see(self, vector: Vector, when: Sighting, *, hourly_seconds: float | None) -> None:
        """Take in one picture. `hourly_seconds`: while burning in, every stretch of so long is another occasion."""
        self._fade(when.seconds)
        if when.seconds // 3600 != self._watched_at:
            self._watched_at = when.seconds // 3600
            self._watched[when.slot] += 1
        index = self._nearest_within(vector)
        if index is None:
            self._make_room(is_burning_in=hourly_seconds is not None)
            index = self._kinds.add(vector)
        if self._is_another_occasion(index, when.seconds, hourly_seconds):
            self._kinds.occasions[index] += 1
            self._kinds.occasion_at[index] = when.seconds
        self._count(index, when)

    def touch(self, vector: Vector, seconds: float) -> None:
        """It is still there, and nothing is learned of it: so its return is no other occasion."""
        index = self._nearest_within(vector)
        if index is not None:
            self._kinds.seen_at[index] = seconds

    def teach(self, vector: Vector, when: Sighting) -> None:
        """It is normal at this hour, whatever was seen so far."""
        index = self._nearest_within(vector)
        if index is None:
            self._make_room(is_burning_in=False)
            index = self._kinds.add(vector)
        kinds = self._kinds
        kinds.occasions[index] = max(kinds.occasions[index], OCCASIONS)
        self._count(index, when)
        missing = self._expected(when.slot)[index] - kinds.hours[index] @ _alike(when.slot)
        kinds.hours[index, when.slot] += max(missing, 0.0)

    def unlearn(self, vector: Vector) -> None:
        """Forget the kinds within a radius, but for those of more than a day's worth of hours."""
        near = self.distances(vector[None])[0] <= self.radius
        self._kinds.keep(~near | (self._kinds.hours.sum(axis=1) > _DAYS_WORTH_HOURS))

    def usual_slot(self, vector: Vector) -> int | None:
        """Hour of the week at which the nearest normal kind comes most; None while there is none."""
        if not self.is_normal.any():
            return None
        distances = np.where(self.is_normal, self.distances(vector[None])[0], np.inf)
        return int(self._kinds.hours[distances.argmin()].argmax())

    def columns(self) -> Columns:
        """Its whole state, by name; vectors and hours as float16."""
        kinds, scalars = self._kinds, np.array(self._scalars())
        halves = {"vectors": kinds.vectors.astype(np.float16), "hours": kinds.hours.astype(np.float16)}
        return {**kinds.columns(), **halves, "watched": self._watched, "scalars": scalars}

    def restore(self, columns: Columns) -> None:
        """Take over what `columns` gave; `ValueError` or `KeyError` for anything else."""
        like, size = self.columns(), len(columns["occasions"])
        for name, column in like.items():
            shape = (size, *column.shape[1:]) if name in self._kinds.columns() else column.shape
            if columns[name].shape != shape or size > CAPACITY:
                raise ValueError(f"{name} has the shape {columns[name].shape}, not {shape}")
        self._widest_closed, self._rest, num_rest, self._watched_at, self._faded_on = map(float, columns["scalars"])
        self._num_rest = int(num_rest)
        self._watched = columns["watched"].astype(np.float32)
        for name, column in self._kinds.columns().items():
            setattr(self._kinds, name, columns[name].astype(column.dtype))

    def _scalars(self) -> list[float]:
        return [self._widest_closed, self._rest, self._num_rest, self._watched_at, self._faded_on]

    def _familiarity(self, slot: int) -> Floats:
        """(M,), 0..1: how often a kind was seen at about this hour, of how often it would be if hours meant nothing.

        To both are added as many hours as a kind takes to be normal: what was hardly watched, or hardly ever comes, is
        no evidence.
        """
        seen = self._kinds.hours @ _alike(slot)
        return np.asarray(np.minimum((seen + OCCASIONS) / (self._expected(slot) + OCCASIONS), 1.0), np.float32)

    def _expected(self, slot: int) -> Floats:
        rates = self._kinds.hours.sum(axis=1) / max(float(self._watched.sum()), 1.0)
        return np.asarray(rates * float(self._watched @ _alike(slot)), np.float32)

    def _nearest_within(self, vector: Vector) -> int | None:
        if not len(self):
            return None
        distances = self.distances(vector[None])[0]
        nearest = int(distances.argmin())
        return nearest if distances[nearest] <= self.radius else None

    def _is_another_occasion(self, index: int, seconds: float, hourly_seconds: float | None) -> bool:
        began, seen = self._kinds.occasion_at[index], self._kinds.seen_at[index]
        if hourly_seconds is not None:
            return bool(seconds // hourly_seconds != began // hourly_seconds)
        return bool(abs(seconds - seen) >= _APART_SECONDS or abs(seconds - began) >= _LASTING_SECONDS)

    def _count(self, index: int, when: Sighting) -> None:
        kinds = self._kinds
        kinds.seen_at[index] = when.seconds
        if when.seconds // 3600 != kinds.counted_at[index]:
            kinds.counted_at[index] = when.seconds // 3600
            kinds.hours[index, when.slot] += 1

    def _fade(self, seconds: float) -> None:
        """By a day for each on which anything is learned: a camera that was off, or lost its clock, forgets nothing."""
        if self._faded_on not in (0.0, seconds // 86400):
            share = 0.5 ** (1 / _HALF_LIFE_DAYS)
            self._kinds.hours *= share
            self._watched *= share
            self._kinds.keep(self._kinds.hours.sum(axis=1) >= _FORGOTTEN_HOURS)
        self._faded_on = seconds // 86400

    def _make_room(self, *, is_burning_in: bool) -> None:
        new = ~self.is_normal
        if is_burning_in:
            if len(self) >= CAPACITY:
                self._thin(np.arange(len(self)), _THINNED)
        elif new.sum() >= _NEW_CAPACITY:
            self._drop_weakest(new)
        elif len(self) >= CAPACITY:
            self._thin(np.flatnonzero(~new), CAPACITY - _NEW_CAPACITY)

    def _drop_weakest(self, new: NDArray[np.bool_]) -> None:
        """The new kind that came on the fewest occasions, of those the longest unseen."""
        indices = np.flatnonzero(new)
        order = np.lexsort((self._kinds.seen_at[indices], self._kinds.occasions[indices]))
        kept = np.ones(len(self), bool)
        kept[indices[order[0]]] = False
        self._kinds.keep(kept)

    def _thin(self, indices: NDArray[np.intp], to: int) -> None:
        """Merge the nearest pairs until `to` are left: incremental k-centre clustering (Charikar et al., STOC 1997).

        The radius grows to the widest gap that was closed, so that they do not part again.
        """
        rows = self._kinds.vectors[indices]
        gaps = half_chords(rows @ rows.T)
        np.fill_diagonal(gaps, np.inf)
        kept = np.ones(len(self), bool)
        for _ in range(len(indices) - to):
            one, other = divmod(int(gaps.argmin()), len(indices))
            self._widest_closed = max(self._widest_closed, float(gaps[one, other]))
            if self._kinds.hours[indices[one]].sum() < self._kinds.hours[indices[other]].sum():
                one, other = other, one
            self._merge(indices[one], indices[other])
            kept[indices[other]] = False
            gaps[other], gaps[:, other] = np.inf, np.inf
        self._kinds.keep(kept)

    def _merge(self, into: int, other: int) -> None:
        for name, column in self._kinds.columns().items():
            if name != "vectors":
                column[into] = np.maximum(column[into], column[other])


def half_chords(cosines: Floats) -> Floats:
    """Cosines to distances, 0..1."""
    return np.asarray(np.sqrt(np.maximum(1.0 - cosines, 0.0) / 2), np.float32)


def _alike(slot: int) -> Floats:
    """(168,) how much an hour of the week says of this one: whole for itself, half for those before and after; half
    for another day of the same kind (a working day, the weekend), a quarter for one of the other."""
    day, hour = divmod(slot, 24)
    days = np.where((np.arange(7) < 5) == (day < 5), 0.5, 0.25)
    days[day] = 1.0
    hours = np.zeros(24)
    hours[[(hour - 1) % 24, hour, (hour + 1) % 24]] = 0.5, 1.0, 0.5
    return np.asarray(np.outer(days, hours).ravel(), np.float32)
