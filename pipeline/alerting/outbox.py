"""The worker that empties the outbox: takes what is due, tries it, and notes what came of it.

At least once: a delivery is marked only after its receiver has answered, so whatever is cut short is sent again
under the same id. A receiver that hangs holds at most a quarter of the worker's places, the others go on.

Several workers, in one process or in many, may share an outbox: each has what it tries in hand by a short lease,
renewed while the attempt lasts, so that what a killed worker had is tried by another one some seconds later.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random

import structlog

from pipeline.alerting.failure import DeliveryError
from pipeline.clock import Clock
from pipeline.contracts.alert import Channel, DueDelivery, Outbox
from pipeline.contracts.decision import Decision, DecisionSink, Gate
from pipeline.contracts.incident import IncidentChange
from pipeline.errors import StageFailed, TransientError
from pipeline.settings import AlertingSettings
from pipeline.telemetry import FaultLog, Metrics
from pipeline.tracing import OFF, Tracing

log = structlog.get_logger()

Send = Callable[[IncidentChange, Channel], None]
"""One attempt; `TransientError` (best a `DeliveryError`) when the receiver did not take it."""
_LOOK_EVERY_SECONDS = 1.0
"""Longest wait before looking again: bounds what a missed wake-up costs."""
_SHORTEST_WAIT_SECONDS = 0.05
"""Full jitter can come out as nothing, and a receiver that just failed needs a moment."""
_LEASE_SECONDS = 15.0
_RENEW_SECONDS = 5.0
"""Two renewals may fail before somebody else takes what is in hand."""


class DeliveryWorker:
    """Tries due deliveries on up to `settings.workers` threads of its own.

    They are daemons: a receiver that hangs must not keep the process from ending after `close`.
    """

    def __init__(
        self,
        outbox: Outbox,
        send: Send,
        channels: Mapping[str, Channel],
        settings: AlertingSettings,
        clock: Clock,
        decisions: DecisionSink,
        metrics: Metrics,
        *,
        owner: str,
        random: Random | None = None,
        tracing: Tracing = OFF,
    ) -> None:
        """`owner` is this worker's name among those that share the outbox."""
        self._outbox = outbox
        self._owner = owner
        self._send = send
        self._channels = channels
        self._settings = settings
        self._clock = clock
        self._decisions = decisions
        self._metrics = metrics
        self._random = random or Random()  # noqa: S311 - jitter, not a secret
        self._tracing = tracing
        self._places_per_channel = max(settings.workers // 4, 1)
        self._in_flight: dict[str, str] = {}
        """Delivery id to channel."""
        self._renewed_at = clock.monotonic()
        self._changed = threading.Condition()
        self._is_awake = False
        self._is_closing = threading.Event()
        self._failure: Exception | None = None
        self._fault = FaultLog("the outcome of deliveries")

    def follow(self, channels: Mapping[str, Channel]) -> None:
        """The site file changed."""
        self._channels = channels

    def run(self, stop: threading.Event, on_turn: Callable[[], None] = lambda: None) -> None:
        """Deliver until `stop` is set (and `wake` called, to be heard at once); then drain.

        `on_turn` is called about once a second, for who wants to see that this goes on.
        `StageFailed` when the outbox failed in a way that waiting does not cure.
        """
        self._release()
        while not stop.is_set():
            on_turn()
            self._renew()
            if not self._start_due(self._clock.now()):
                self._rest()
        if not self._is_closing.is_set():
            self.close()
        self._release()

    def run_once(self) -> int:
        """Try what is due now, wait for the outcome, and say how many attempts that took."""
        now, num_tried = self._clock.now(), 0
        while started := self._start_due(now):
            num_tried += started
            self._wait_until_idle(None)
        return num_tried

    def wake(self) -> None:
        """Look now: something was put into the outbox, or `stop` was set. Never blocks."""
        with self._changed:
            self._is_awake = True
            self._changed.notify_all()

    def close(self, drain_seconds: float = 10.0) -> None:
        """Begin nothing new, wait for attempts under way, but no longer than that; may be called twice."""
        self._is_closing.set()
        if not self._wait_until_idle(drain_seconds):
            log.warning("deliveries cut short will be sent again at the next start", number=len(self._in_flight))

    def _rest(self) -> None:
        seconds = _LOOK_EVERY_SECONDS
        try:
            due_at = self._outbox.next_due_at()
        except TransientError:
            due_at = None
        if due_at is not None and (until := (due_at - self._clock.now()).total_seconds()) > 0:
            seconds = min(until, seconds)
        with self._changed:
            # What is due already waits for a place: the end of an attempt wakes this up.
            self._changed.wait_for(lambda: self._is_awake, seconds)
            self._is_awake = False

    def _wait_until_idle(self, seconds: float | None) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._in_flight, seconds)

    def _start_due(self, now: datetime) -> int:
        """Begin as many deliveries due by `now` as there is room for; how many."""
        if self._failure is not None:
            raise StageFailed(f"the outbox failed: {self._failure}") from self._failure
        num_started = 0
        try:
            while (due := self._claim(now)) is not None:
                num_started += self._start(due)
        except TransientError as error:
            log.warning("the outbox cannot be read now; trying again", error=str(error))
        return num_started

    def _claim(self, now: datetime) -> DueDelivery | None:
        with self._changed:
            taken = Counter(self._in_flight.values())
        if taken.total() >= self._settings.workers or self._is_closing.is_set():
            return None
        full = [channel for channel, number in taken.items() if number >= self._places_per_channel]
        return self._outbox.claim_due(self._owner, now, _LEASE_SECONDS, full)

    def _start(self, due: DueDelivery) -> bool:
        """False when it is under way here still: its lease ran out while the database was away."""
        with self._changed:
            if due.delivery.id in self._in_flight:
                return False
            self._in_flight[due.delivery.id] = due.delivery.channel
        threading.Thread(target=self._attempt, args=(due,), name=f"deliver-{due.delivery.id}", daemon=True).start()
        return True

    def _renew(self) -> None:
        with self._changed:
            in_hand = list(self._in_flight)
        if not in_hand or self._clock.monotonic() - self._renewed_at < _RENEW_SECONDS:
            return
        try:
            self._outbox.renew(self._owner, in_hand, _LEASE_SECONDS)
            self._renewed_at = self._clock.monotonic()
        except TransientError as error:
            log.warning("deliveries in hand cannot be kept from others now; trying again", error=str(error))

    def _release(self) -> None:
        try:
            self._outbox.release(self._owner)
        except TransientError as error:
            log.warning("deliveries in hand cannot be freed now; others wait some seconds for them", error=str(error))

    def _attempt(self, due: DueDelivery) -> None:
        """The whole of one attempt, on a thread of its own."""
        try:
            channel = self._channels.get(due.delivery.channel)
            if channel is None:
                self._give_up(due, "the channel is no longer in the site file")
            else:
                self._tracing.delivering(due)
                error = self._try(due.change, channel)
                self._tracing.delivered(due, error)
                self._note(due, error)
        except Exception as error:
            # The thread's border: `run` raises it again. The delivery stays pending for the next start.
            log.exception("the outcome of an attempt cannot be stored", delivery=due.delivery.id)
            self._failure = error
        finally:
            with self._changed:
                del self._in_flight[due.delivery.id]
                self._is_awake = True
                self._changed.notify_all()

    def _try(self, change: IncidentChange, channel: Channel) -> TransientError | None:
        try:
            with self._metrics.stage_seconds.labels("delivery").time():
                self._send(change, channel)
        except TransientError as error:
            return error
        except Exception as error:
            # A change that cannot even be written out must not stop the ones behind it.
            log.exception("a change could not be sent", change=change.id, channel=channel.name)
            return DeliveryError(f"it could not be sent: {type(error).__name__}", needs_mending=True)
        return None

    def _note(self, due: DueDelivery, error: TransientError | None) -> None:
        now, delivery_id = self._clock.now(), due.delivery.id
        give_up_at = due.delivery.created_at + timedelta(seconds=self._settings.give_up_after)
        if error is None:
            self._record(due, "delivered", "told")
            self._store(delivery_id, lambda: self._outbox.mark_delivered(delivery_id, now))
        elif now >= give_up_at:
            self._give_up(due, str(error))
        else:
            next_attempt_at = min(now + self._wait(due.delivery.attempts, error), give_up_at)
            self._record(due, "failed", "receiver failed", str(error))
            self._store(
                delivery_id, lambda: self._outbox.mark_failed(delivery_id, self._owner, str(error), next_attempt_at)
            )

    def _give_up(self, due: DueDelivery, error: str) -> None:
        now, delivery_id = self._clock.now(), due.delivery.id
        self._record(due, "dead", "given up", error)
        self._store(delivery_id, lambda: self._outbox.mark_dead(delivery_id, self._owner, error, now))

    def _wait(self, num_failed: int, error: TransientError) -> timedelta:
        """Exponential with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/),
        at least what the receiver asked for, at most `retry_to`; long from the start when a person must act."""
        longest = self._settings.retry_to
        if isinstance(error, DeliveryError) and error.needs_mending:
            seconds = self._random.uniform(longest / 2, longest)
        else:
            # 2.0 ** 30 s is 34 years: past any `retry_to`, before a float overflows.
            backoff = min(self._settings.retry_from * 2.0 ** min(num_failed, 30), longest)
            asked = error.retry_after_seconds if isinstance(error, DeliveryError) else None
            seconds = min(max(self._random.uniform(0, backoff), asked or 0.0), longest)
        return timedelta(seconds=max(seconds, _SHORTEST_WAIT_SECONDS))

    def _store(self, delivery_id: str, mark: Callable[[], None]) -> None:
        """Keep at it while the database cannot: giving the place up now would send the same again."""
        while True:
            try:
                mark()
                return self._fault.worked()
            except TransientError as error:
                self._fault.failed(error, delivery=delivery_id)
                if self._is_closing.is_set():
                    return None
            self._clock.sleep(max(self._settings.retry_from, _SHORTEST_WAIT_SECONDS))

    def _record(self, due: DueDelivery, outcome: str, reason: str, error: str = "") -> None:
        incident, channel = due.change.incident, due.delivery.channel
        self._metrics.deliveries.labels(channel, outcome).inc()
        self._decisions.record(
            Decision(
                camera_id=incident.camera_id,
                gate=Gate.DELIVERY,
                passed=outcome == "delivered",
                reason=reason,
                at=incident.opened_at,
                rule_id=incident.rule_id,
                detail=f"{channel}: {error}" if error else channel,
            )
        )
        if error:
            log.warning(reason, delivery=due.delivery.id, channel=channel, error=error)
