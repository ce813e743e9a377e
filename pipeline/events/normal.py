"""What one camera normally sees, by hour of the week, and how unlike that a picture is.

Embeddings go in as they come; how novel another is comes out. So that an attack is not learned as normal:

- What is offered waits for some minutes, and is dropped when something is going on then (`hold`).
- A kind of picture is normal once it came on three separate occasions. While burning in, every hour (every 24th of a
  shorter burn-in) is one; after that an absence of four hours must lie between two, or a day if it never leaves. One
  long stretch of less than two days is never enough; a lasting change is normal after two days.
- What a person confirmed is not learned, and loses its place; what a person rejected is normal at once.

What a camera shows during its burn-in is all that is known of it: what lasts for three hours of it is normal.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from pipeline.errors import InvalidMessage
from pipeline.events.coreset import Coreset, Floats, Sighting, Vector, half_chords
from pipeline.events.packed import pack, unpack
from pipeline.events.surprise import SurpriseSketch

_VERSION = 1
_OCCASION_SECONDS = 3600.0
_BURN_IN_OCCASIONS = 24
"""Stretches that a short burn-in has, each an occasion: it must hold more than are needed."""
_WAIT_SECONDS = 300.0
"""From being offered to being learned, and how far around something that goes on nothing is learned: an alert is told
within seconds, what led to it lasts minutes."""
_EVERY_SECONDS = 5.0
"""One picture is learned of each such stretch, and one more if it is unlike all known: 35,000 a day say enough."""
_LAPSE_SECONDS = 6 * 3600.0
"""What goes on for longer is no incident but a change; from then on it is looked at, like anything that lasts."""
_IDLE_SECONDS = 60.0
"""Longer silences were not watched. Cameras at rest send a frame every few seconds."""
_MAX_ABNORMAL = 32
"""Confirmed pictures that are remembered, the latest."""
_MAX_REVIEWS = 64
"""Heeded a day: more than an operator can look at, and a storm of them cannot fill the bank."""
_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(slots=True)
class _Waiting:
    """One picture in line."""

    vector: Vector
    when: Sighting
    distance: float
    """To the nearest kind that was known when it came."""
    is_sample: bool
    """Taken by the clock and not for being unlike the rest, so that it counts for how rare a novelty is."""


class NormalBank:
    """The normal of one camera. Vectors are float32 rows of unit length; times aware. Not thread-safe.

    Takes nothing in for vectors of another size than its first, or that are not finite.
    """

    def __init__(self, timezone: ZoneInfo, *, after_seconds: float) -> None:
        """`after_seconds`: watched time before anything is said."""
        self._timezone, self._after_seconds = timezone, after_seconds
        self._occasion_seconds = min(_OCCASION_SECONDS, max(after_seconds, 1.0) / _BURN_IN_OCCASIONS)
        self._wait_seconds = min(_WAIT_SECONDS, self._occasion_seconds)
        self._every_seconds = min(_EVERY_SECONDS, self._occasion_seconds / 20)
        self._watched_seconds = 0.0
        self._kinds: Coreset | None = None
        self._abnormal: deque[Vector] = deque(maxlen=_MAX_ABNORMAL)
        self._novelties = SurpriseSketch()
        self.captions = SurpriseSketch()
        """Scores of another kind on this camera's normal pictures, kept for whoever weighs them against novelty."""
        self._line: deque[_Waiting] = deque()
        self._held: deque[tuple[float, float]] = deque(maxlen=16)
        """From and to, seconds since 1970, in order."""
        self._seen_at: float | None = None
        self._reviews = (0, 0)
        """Day since 1970, and how many were heeded on it."""

    @property
    def missing(self) -> str:
        """Why nothing can be said yet, or `""`."""
        if self._watched_seconds < self._after_seconds:
            return f"learning what is normal: {_progress_text(self._watched_seconds, self._after_seconds)}"
        if self._kinds is None or not self._kinds.is_normal.any():
            return "learning what is normal: nothing came on enough occasions yet"
        if self._novelties.surprise(0.0) is None:
            return "learning what is normal: too few pictures yet"
        return ""

    def novelty(self, vectors: Floats, at: datetime) -> Floats:
        """(N,) 0..1: distance to what is normal at this hour; 1 for no normal at all, NaN for what cannot be said."""
        if self._kinds is None or vectors.shape[1] != self._kinds.dimension:
            return np.full(len(vectors), 1.0 if self._kinds is None else np.nan, np.float32)
        is_finite = np.asarray(np.isfinite(vectors).all(axis=1))
        found = self._kinds.novelty(np.where(is_finite[:, None], vectors, 0.0), self._sighting(at).slot)
        return np.where(is_finite, found, np.float32(np.nan))

    def rank(self, score: float) -> float | None:
        """Share of this camera's normal that is less novel; None while too little of it is known."""
        surprise = self.surprise(score)
        return None if surprise is None else 1.0 - 10.0**-surprise

    def surprise(self, score: float) -> float | None:
        """The same as a power of ten: 3 for what one normal picture in a thousand reaches. Tells apart the rarest."""
        return self._novelties.surprise(score)

    def words(self, vector: Vector, score: float, at: datetime) -> str:
        """For a person: `unlike 99.8 % of what this camera sees on Tuesdays around 03:00; …`."""
        surprise, kinds = self.surprise(score), self._kinds
        if surprise is None or kinds is None:
            return ""
        digits = min(max(int(surprise) - 2, 0) + 1, 4)
        share = min(100 * (1 - 10**-surprise), 100 - 10**-digits)
        text = f"unlike {share:.{digits}f} % of what this camera sees on {_slot_text(self._sighting(at).slot)}"
        usual = kinds.usual_slot(vector)
        return text if usual is None else f"{text}; nearest to what it sees on {_slot_text(usual)}"

    def offer(self, vectors: Floats, at: datetime) -> None:
        """Here is what the camera sees; it is learned some minutes later, if nothing is against it."""
        when = self._sighting(at)
        self._watch(when.seconds)
        if vectors.ndim == 2 and len(vectors) and self._fits(vectors):
            self._enlist(vectors, when)
        while self._line and self._line[0].when.seconds <= when.seconds - self._wait_seconds:
            self._learn(self._line.popleft())

    def hold(self, at: datetime) -> None:
        """Something is going on that may not be normal: nothing of the minutes around `at` is learned."""
        seconds = at.timestamp()
        begin, end = seconds - self._wait_seconds, seconds + self._wait_seconds
        if self._held and begin <= self._held[-1][1]:
            first, last = self._held.pop()
            begin, end = first, max(last, end)
        self._held.append((begin, end))

    def reviewed(self, vector: Vector, at: datetime, is_right: bool) -> None:
        """A person says whether an alert was right; then this is not normal, and else it is. The last word counts."""
        when = self._sighting(at)
        if not self._fits(vector[None]) or not np.isfinite(vector).all() or not self._heeds_review():
            return
        kinds = self._kinds = Coreset(len(vector)) if self._kinds is None else self._kinds
        distances = [_distance(vector, other) for other in self._abnormal]
        apart = [other for other, far in zip(self._abnormal, distances, strict=True) if far > kinds.radius]
        self._abnormal = deque(apart, maxlen=_MAX_ABNORMAL)
        if is_right:
            self._abnormal.append(vector.astype(np.float32))
            kinds.unlearn(vector)
        else:
            kinds.teach(vector, when)

    def dump(self) -> bytes:
        """All that was learned, but for what still waits in line; some 380 KiB at 512 numbers a vector."""
        kinds = Coreset(0) if self._kinds is None else self._kinds
        header = {"version": _VERSION, "dimension": kinds.dimension, "watched_seconds": self._watched_seconds}
        abnormal = np.array(self._abnormal, np.float16).reshape(len(self._abnormal), kinds.dimension)
        sketches = {"novelties": self._novelties.counts, "captions": self.captions.counts}
        return pack(header, {**kinds.columns(), "abnormal": abnormal, **sketches})

    def load(self, body: bytes) -> None:
        """Go on from what `dump` gave; `InvalidMessage` for anything else, and for vectors of another size."""
        try:
            header, columns = unpack(body)
            if header["version"] != _VERSION:
                raise ValueError(f"it is of version {header['version']}, this is version {_VERSION}")
            watched_seconds = float(header["watched_seconds"])
            if not 0 <= watched_seconds < math.inf:
                raise ValueError(f"it was watched for {watched_seconds} seconds")
            kinds = self._checked(Coreset(int(header["dimension"])))
            novelties, captions = (SurpriseSketch(columns.pop(name)) for name in ("novelties", "captions"))
            abnormal = columns.pop("abnormal").astype(np.float32)
            if abnormal.ndim != 2 or abnormal.shape[1] != kinds.dimension:
                raise ValueError(f"its confirmed pictures have the shape {abnormal.shape}")
            kinds.restore(columns)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidMessage(
                f"expected a camera's normal as `dump` writes it, got something else: {error}"
            ) from error
        self._watched_seconds, self._kinds = watched_seconds, kinds if kinds.dimension else None
        self._novelties, self.captions = novelties, captions
        self._abnormal = deque(abnormal, maxlen=_MAX_ABNORMAL)
        self._line.clear()

    def _checked(self, kinds: Coreset) -> Coreset:
        if self._kinds is not None and kinds.dimension != self._kinds.dimension:
            raise ValueError(
                f"its vectors have {kinds.dimension} numbers, this camera's {self._kinds.dimension}: another encoder"
            )
        return kinds

    def _sighting(self, at: datetime) -> Sighting:
        local = at.astimezone(self._timezone)
        return Sighting(at.timestamp(), local.weekday() * 24 + local.hour)

    def _fits(self, vectors: Floats) -> bool:
        return self._kinds is None or vectors.shape[1] == self._kinds.dimension

    def _watch(self, seconds: float) -> None:
        if self._seen_at is not None and seconds < self._seen_at:
            # The clock was set back: what waits would wait for too long, and what was held is another time.
            self._line.clear()
            self._held.clear()
        elif self._seen_at is not None and seconds - self._seen_at <= _IDLE_SECONDS:
            self._watched_seconds += seconds - self._seen_at
        self._seen_at = seconds

    def _enlist(self, vectors: Floats, when: Sighting) -> None:
        vectors = vectors[np.isfinite(vectors).all(axis=1)]
        if not len(vectors):
            return
        stretch = when.seconds // self._every_seconds
        kinds = self._kinds = Coreset(vectors.shape[1]) if self._kinds is None else self._kinds
        distances = kinds.distances(vectors).min(axis=1, initial=1.0)
        last = self._line[-1] if self._line else None
        if last is None or last.when.seconds // self._every_seconds < stretch:
            row = int(stretch) % len(vectors)  # of several things each in turn
            last = _Waiting(vectors[row], when, float(distances[row]), is_sample=True)
            self._line.append(last)
        row = int(distances.argmax())
        if distances[row] > max(kinds.radius, last.distance):
            if not last.is_sample:
                self._line.pop()
            self._line.append(_Waiting(vectors[row], when, float(distances[row]), is_sample=False))

    def _learn(self, waiting: _Waiting) -> None:
        kinds, vector, when = self._kinds, waiting.vector, waiting.when
        if kinds is None or self._is_held(when.seconds):
            if kinds is not None:
                kinds.touch(vector, when.seconds)
            return
        distances = kinds.distances(vector[None])[0]
        nearest_normal = float(distances[kinds.is_normal].min(initial=1.0))
        if any(_distance(vector, other) <= min(kinds.radius, nearest_normal) for other in self._abnormal):
            return
        around = [float(half_chords(vector @ other.vector)) for other in self._line if other.is_sample]
        if waiting.is_sample and around:
            kinds.note_rest(min(around))
        is_half_done = self._watched_seconds >= self._after_seconds / 2
        if waiting.is_sample and is_half_done and nearest_normal <= kinds.radius:
            self._novelties.add(float(kinds.novelty(vector[None], when.slot)[0]))
        is_burning_in = self._watched_seconds < self._after_seconds
        kinds.see(vector, when, hourly_seconds=self._occasion_seconds if is_burning_in else None)

    def _is_held(self, seconds: float) -> bool:
        return any(begin <= seconds <= min(end, begin + _LAPSE_SECONDS) for begin, end in self._held)

    def _heeds_review(self) -> bool:
        """By the day of the camera's own time, since that is what reviews cannot hurry."""
        today = int((self._seen_at or 0.0) // 86400)
        day, count = self._reviews
        count = count + 1 if day == today else 1
        self._reviews = (today, count)
        return count <= _MAX_REVIEWS


def _distance(one: Vector, other: Vector) -> float:
    return float(half_chords(one @ other))


def _slot_text(slot: int) -> str:
    day, hour = divmod(slot, 24)
    return f"{_DAYS[day]} around {hour:02d}:00"


def _progress_text(done_seconds: float, whole_seconds: float) -> str:
    """`3 h of 24 h`; in minutes or seconds where hours are too coarse."""
    unit, size = next(((u, s) for u, s in (("h", 3600), ("min", 60)) if whole_seconds >= 4 * s), ("s", 1))
    return f"{done_seconds // size:.0f} {unit} of {whole_seconds / size:.3g} {unit}"
