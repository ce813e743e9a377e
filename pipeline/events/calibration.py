"""A threshold of its own for one scored rule on one camera, from the scores that the camera has shown.

In: every smoothed score that was decided on, and what people say of incidents. Out: `Levels` for the state machine.

What is asked for is a number of false alarms a day, so what counts is not frames over a threshold but excursions:
watched time is cut into blocks of at most ten minutes, and of each the highest score is kept that would have opened a
candidate (reached, and held for the dwell down to the release). The threshold is the level that so many blocks a day
reach as alarms are allowed, by the tail of the last two weeks' blocks (`tail.py`), in which a week halves what a
block counts. Real events are in there, too; those that a person confirmed are not held against the budget.

Until enough was watched the fixed levels hold. Until a whole day was watched a lower threshold is approached only
by and by, a higher one at once: one night knows nothing of the day.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidMessage
from pipeline.events.calibration_state import MAX_BLOCKS, MAX_REVIEWS, CalibrationState, Reviewed, review_key
from pipeline.events.state_machine import FixedLevels
from pipeline.events.tail import LOWEST, STEP, distance, level_for, level_over, to_logit, to_score

MIN_THRESHOLD, MAX_THRESHOLD = 0.05, 0.999
"""A learned threshold stays within: on a camera that never showed a thing a speck is no event, and on one that is
always at the top nothing would be."""
DRIFTS_FROM = 0.5
"""Distance of the last day from the time before at which the scores have changed. A third of a day that is busy on
weekdays alone makes 0.33; a shift by 1.35 standard deviations makes 0.5."""
_DAY_SECONDS, _HOUR_SECONDS = 86_400.0, 3_600.0
_SILENCE_SECONDS = 120.0
"""Time between two scores further apart was not watched; a camera that is looked at once a minute is."""
_MIN_BLOCK_SECONDS, _MAX_BLOCK_SECONDS = 10.0, 600.0
_BLOCKS_PER_ALARM = 10.0
"""Blocks are so short that at most one in ten holds an alarm that is allowed."""
_BLOCKS_TO_LEARN = 36.0
"""So many fit into the time before the fixed threshold is replaced: ten minutes in six hours."""
_MIN_BLOCKS = 20
"""Nothing is learned from fewer, however short that time is."""
_HALF_LIFE_SECONDS = 7 * _DAY_SECONDS
"""Of watched time, in which what a block counts is halved: each weekday counts, the last one most."""
_REVIEW_HALF_LIFE_SECONDS = 28 * _DAY_SECONDS
_BEFORE_CHANGE = 1 / 8
"""What blocks from before a change count beside those after it: as three half-lives do."""
_RELEASE_TIMES = 10.0
"""`release` is the level reached so many times as often as alarms are allowed."""
_RATE_STEP = 1.25
"""The allowed rate grows in steps of a quarter by what was confirmed."""
_MAX_GAP = 1.6
"""Logits between threshold and release, at most; the fixed 0.6 and 0.4 are 0.8 apart."""
_PRESUMED_REVIEWS = 4.0
"""As if two incidents had been found right and two wrong before anybody spoke."""
_FIT_SECONDS = 60.0
"""Levels, and words, stay for so long."""
_UNITS = (
    ("days", _DAY_SECONDS, 2 * _DAY_SECONDS),
    ("h", _HOUR_SECONDS, _HOUR_SECONDS),
    ("min", 60.0, 60.0),
    ("s", 1.0, 0.0),
)
"""Words for a duration, the unit's seconds, and from how many on it is used."""
_TICK_SECONDS = 2e-3
"""As in the state machine: times are rounded to milliseconds on their way."""


class Calibration:
    """Levels that follow one camera's scores. For one thread; memory and work an update are bounded."""

    def __init__(
        self,
        fixed: FixedLevels,
        *,
        alerts_per_day: float,
        after_seconds: float,
        dwell_seconds: float,
        smoothing_seconds: float,
    ) -> None:
        """`fixed` holds for `after_seconds` of watched time; then `alerts_per_day`, of a watched day."""
        self._fixed = fixed
        self._alerts_per_day, self._after_seconds = alerts_per_day, after_seconds
        block_seconds = min(_DAY_SECONDS / alerts_per_day / _BLOCKS_PER_ALARM, after_seconds / _BLOCKS_TO_LEARN)
        # What one excursion is, once smoothed, has died away after five time constants.
        shortest = max(_MIN_BLOCK_SECONDS, 5 * smoothing_seconds + dwell_seconds)
        self._block_seconds = max(min(block_seconds, _MAX_BLOCK_SECONDS), shortest)
        self._hold = _Hold(dwell_seconds)
        self._watched_seconds = 0.0
        self._last_seconds: float | None = None
        self._begun_seconds, self._begun_level = 0.0, LOWEST
        self._ends: NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._levels: NDArray[np.float32] = np.zeros(0, np.float32)
        self._num_since_change = 0
        self._is_drifting = False
        self._drift: float | None = None
        self._reviews: dict[bytes, Reviewed] = {}
        self._last_fit_seconds = 0.0
        self._fit()

    @property
    def threshold(self) -> float:
        """Smoothed score at which the rule is met."""
        return self._threshold

    @property
    def release(self) -> float:
        """Smoothed score under which it no longer is."""
        return self._release

    @property
    def words(self) -> str:
        """For a person, where these come from."""
        return self._words

    @property
    def watched_seconds(self) -> float:
        """Event time in which there were scores to learn from."""
        return self._watched_seconds

    @property
    def is_learned(self) -> bool:
        """Whether the camera's own scores set the threshold yet."""
        return self._watched_seconds >= self._after_seconds and len(self._levels) >= _MIN_BLOCKS

    @property
    def drift(self) -> float | None:
        """How far the last day's scores are from those before, 0..1; they drift from `DRIFTS_FROM` on.

        None until three days are there, or three parts of what is kept when blocks are short.
        """
        return self._drift

    @property
    def is_drifting(self) -> bool:
        """Whether the last day differs so much that the time before counts little."""
        return self._is_drifting

    def note(self, seconds: float, score: float | None, *, learns: bool = True) -> None:
        """Take in one decided observation.

        Args:
            seconds: Event time since 1970; may jump either way.
            score: Smoothed, as the machine compares it; None or NaN when nothing could be measured.
            learns: Whether it may be learned from. An alarm that may be false must be, or no budget is ever kept.
        """
        if not learns:
            self._hold.clear()
            self._last_seconds = None
            return
        if score is None or not math.isfinite(score):
            self._hold.clear()  # the machine waits out its dwell anew, too
            return
        elapsed = 0.0 if self._last_seconds is None else seconds - self._last_seconds
        if not 0 <= elapsed <= _SILENCE_SECONDS:
            self._hold.clear()
            elapsed = 0.0
        self._last_seconds = seconds
        self._begun_level = self._hold.level(seconds, to_logit(score), self._gap, self._begun_level)
        self._watched_seconds += elapsed
        self._begun_seconds += elapsed
        if self._begun_seconds >= self._block_seconds:
            self._end_block(seconds)

    def reviewed(self, incident_id: str, opened_seconds: float, peak: float, is_right: bool) -> None:
        """Take in a person's word; the last one on an incident counts, and the order of incidents does not.

        A right one lowers the threshold and is not held against the budget; a wrong one raises the threshold, no
        further than just above the highest peak that was wrong. Of more than `MAX_REVIEWS` the latest incidents stay.
        """
        if not (math.isfinite(opened_seconds) and math.isfinite(peak)):
            raise InvalidMessage(f"expected a time and a peak score of a review, got {opened_seconds} and {peak}")
        key, review = review_key(incident_id), Reviewed(opened_seconds, to_logit(peak), is_right)
        if self._reviews.get(key) == review:
            return
        self._reviews[key] = review
        if len(self._reviews) > MAX_REVIEWS:
            del self._reviews[min(self._reviews, key=lambda one: (self._reviews[one].opened_seconds, one))]
        self._fit()

    def dump(self) -> bytes:
        """What was learned, for `load`."""
        return CalibrationState(
            block_seconds=self._block_seconds,
            watched_seconds=self._watched_seconds,
            last_seconds=self._last_seconds or 0.0,
            begun_seconds=self._begun_seconds,
            begun_level=self._begun_level,
            ends=self._ends,
            levels=self._levels,
            num_since_change=self._num_since_change,
            is_drifting=self._is_drifting,
            reviews=self._reviews,
            is_learned=self.is_learned,
            threshold=self._threshold,
            release=self._release,
            drift=self._drift,
            words=self._words,
        ).dump()

    def load(self, body: bytes) -> None:
        """Go on from there; `InvalidMessage`, and nothing has changed, when that cannot be.

        A budget other than then is no obstacle, unless the blocks are too long for it.
        """
        state = CalibrationState.load(body)
        if state.block_seconds > max(_DAY_SECONDS / self._alerts_per_day, self._block_seconds):
            raise InvalidMessage(
                f"learned in blocks of {state.block_seconds:g} s, too long for {self._alerts_per_day:g} alerts a day"
            )
        self._block_seconds, self._watched_seconds = state.block_seconds, state.watched_seconds
        self._last_seconds = state.last_seconds
        self._begun_seconds, self._begun_level = state.begun_seconds, state.begun_level
        self._ends, self._levels = state.ends, state.levels
        self._num_since_change, self._is_drifting = state.num_since_change, state.is_drifting
        self._drift = state.drift
        self._reviews = dict(state.reviews)
        self._hold.clear()
        self._fit()

    def _end_block(self, seconds: float) -> None:
        end = np.uint32(min(max(seconds, 0.0), 2**32 - 1))
        self._ends = np.append(self._ends, end)[-MAX_BLOCKS:]
        self._levels = np.append(self._levels, np.float32(self._begun_level))[-MAX_BLOCKS:]
        if self._num_since_change:
            self._num_since_change = min(self._num_since_change + 1, len(self._levels))
        self._begun_seconds, self._begun_level = 0.0, LOWEST
        if self._watched_seconds - self._last_fit_seconds >= _FIT_SECONDS:
            self._note_drift()
            self._fit()

    def _note_drift(self) -> None:
        """Compare the last day with the time before; from a change on, what was before counts little."""
        num_recent = min(round(_DAY_SECONDS / self._block_seconds), MAX_BLOCKS // 4)
        if len(self._levels) < 3 * num_recent:
            return
        levels, weights = self._levels.astype(np.float64), self._weights()
        self._drift = distance(levels[-num_recent:], levels[:-num_recent], weights[:-num_recent])
        was_drifting, self._is_drifting = self._is_drifting, self._drift >= DRIFTS_FROM
        if self._is_drifting and not was_drifting:
            self._num_since_change = num_recent

    def _weights(self) -> NDArray[np.float64]:
        """(N,) what each block counts; the latest 1."""
        ages = np.arange(len(self._levels) - 1, -1, -1)
        weights = np.exp2(-ages * (self._block_seconds / _HALF_LIFE_SECONDS))
        if self._num_since_change:
            weights[: -self._num_since_change] *= _BEFORE_CHANGE
        return np.asarray(weights, np.float64)

    def _fit(self) -> None:
        """Threshold, release and words, from all that is known."""
        self._last_fit_seconds = self._watched_seconds
        threshold, gap = self._base()
        right, wrong = self._told(True), self._told(False)
        shift = (wrong - right) / (wrong + right + _PRESUMED_REVIEWS)
        worst = max((r.peak + STEP for r in self._reviews.values() if not r.is_right), default=LOWEST)
        moved = min(threshold + shift, max(threshold, worst))
        bounded = min(max(moved, to_logit(MIN_THRESHOLD)), to_logit(MAX_THRESHOLD))
        self._gap = gap
        if self.is_learned or moved != threshold:
            self._threshold, self._release = to_score(bounded), to_score(bounded - gap)
        else:
            self._threshold, self._release = self._fixed.threshold, self._fixed.release
        self._words = self._say()

    def _base(self) -> tuple[float, float]:
        """(threshold, gap down to the release) without anybody's word, logits."""
        fixed = to_logit(self._fixed.threshold)
        fixed_gap = max(fixed - to_logit(self._fixed.release), STEP)
        if not self.is_learned:
            return fixed, fixed_gap
        threshold, gap = self._learned()
        share = self._share_of_a_day() if threshold < fixed else 1.0
        return fixed + share * (threshold - fixed), fixed_gap + share * (gap - fixed_gap)

    def _share_of_a_day(self) -> float:
        """0 when the fixed threshold ceases to hold, 1 once a day was watched."""
        left = _DAY_SECONDS - self._after_seconds
        return 1.0 if left <= 0 else min((self._watched_seconds - self._after_seconds) / left, 1.0)

    def _learned(self) -> tuple[float, float]:
        """The levels that the budget leads to; what was confirmed comes on top of it."""
        levels, weights = self._levels.astype(np.float64), self._weights()
        blocks_a_day = _DAY_SECONDS / self._block_seconds
        confirmed = self._confirmed_blocks()
        rate = self._alerts_per_day / blocks_a_day
        extra = float(weights[confirmed].sum() / weights.sum()) / rate
        # The least on the way up: a fit to fewer and a count of more may disagree, and nothing that is found right
        # may raise the threshold.
        downwards = np.argsort(levels)[::-1]
        ordered, counts = levels[downwards], weights[downwards]
        steps = range(1 + int(math.log1p(extra) / math.log(_RATE_STEP)))
        threshold = min(level_for(ordered, counts, _share_of_blocks(rate * _RATE_STEP**step)) for step in steps)
        threshold = max(threshold, self._level_of_the_day(levels, confirmed))
        release = level_for(ordered, counts, _share_of_blocks(_RELEASE_TIMES * rate * (1 + extra)))
        return threshold, min(max(threshold - release, STEP), _MAX_GAP)

    def _level_of_the_day(self, levels: NDArray[np.float64], confirmed: NDArray[np.intp]) -> float:
        """What the last day alone asks for, when it had more than chance explains (three standard deviations)."""
        num_blocks = min(len(levels), max(round(_DAY_SECONDS / self._block_seconds), 1))
        expected = self._alerts_per_day * num_blocks * self._block_seconds / _DAY_SECONDS
        allowed = expected + 3 * math.sqrt(expected) + int((confirmed >= len(levels) - num_blocks).sum())
        return level_over(np.sort(levels[-num_blocks:])[::-1], np.ones(num_blocks), allowed)

    def _confirmed_blocks(self) -> NDArray[np.intp]:
        """Indices of the blocks in which something opened that was found right, each once."""
        opened = [review.opened_seconds for review in self._reviews.values() if review.is_right]
        first = float(self._ends[0]) - self._block_seconds
        last = float(self._ends[-1])
        return np.unique(np.searchsorted(self._ends, [at for at in opened if first <= at <= last]))

    def _told(self, is_right: bool) -> float:
        """How many said so, the older the less."""
        now = self._last_seconds or 0.0
        ages = [max(now - r.opened_seconds, 0.0) for r in self._reviews.values() if r.is_right is is_right]
        return sum(math.exp2(-age / _REVIEW_HALF_LIFE_SECONDS) for age in ages)

    def _say(self) -> str:
        if self.is_learned:
            words = f"{_alerts(self._alerts_per_day)} a day by {_long(self._watched_seconds)} of this camera"
        elif self._watched_seconds < self._after_seconds:
            words = f"fixed threshold: {_long(self._watched_seconds, self._after_seconds)} watched"
        else:
            words = f"fixed threshold: {len(self._levels)} of {_MIN_BLOCKS} blocks of scores"
        if self._reviews:
            words += f", {len(self._reviews)} {'review' if len(self._reviews) == 1 else 'reviews'}"
        if self._is_drifting:
            words += "; the scores have changed since the days before"
        if self.is_learned and self._threshold >= MAX_THRESHOLD - 1e-9:
            words += "; more often than that they reach the top of the scale"
        return words


class _Hold:
    """The level that a score reached and then held for the dwell, down to a gap below: what would have opened."""

    def __init__(self, dwell_seconds: float) -> None:
        self._dwell_seconds = dwell_seconds - _TICK_SECONDS
        self._step_seconds = dwell_seconds / 16
        """Scores closer together are one entry: a long dwell at many frames a second takes no more memory."""
        self._entries: deque[list[float]] = deque()
        """[seconds, highest, lowest], oldest first; the first is the latest that is a dwell old."""

    def clear(self) -> None:
        """Forget: nothing has been held so far."""
        self._entries.clear()

    def level(self, seconds: float, score: float, gap: float, least: float) -> float:
        """Take in a score; the highest level, or `least` if that is higher."""
        if self._dwell_seconds <= 0:
            return max(score, least)
        entries = self._entries
        if entries and seconds - entries[-1][0] < self._step_seconds:
            entry = entries[-1]
            entry[1], entry[2] = max(entry[1], score), min(entry[2], score)
        else:
            entries.append([seconds, score, score])
        until = seconds - self._dwell_seconds
        while len(entries) > 1 and entries[1][0] <= until:
            entries.popleft()
        if score + gap <= least or entries[0][1] <= least or entries[0][0] > until:
            return least
        return max(least, min(entries[0][1], min(entry[2] for entry in entries) + gap))


def _share_of_blocks(per_block: float) -> float:
    """Of blocks that hold at least one of so many excursions that come by chance (Poisson)."""
    return -math.expm1(-per_block)


def _alerts(number: float) -> str:
    return f"{number:g} {'alert' if number == 1 else 'alerts'}"


def _long(seconds: float, of_seconds: float | None = None) -> str:
    """`9 days`, `31 h`, `45 min`, `50 s`; `3 h of 6 h`, both in the unit of the whole."""
    whole = seconds if of_seconds is None else of_seconds
    unit, size = next((unit, size) for unit, size, least in _UNITS if whole >= least)
    text = f"{math.floor(seconds / size)} {unit}"
    return text if of_seconds is None else f"{text} of {of_seconds / size:g} {unit}"
