from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipeline.alerting.failure import DeliveryError
from pipeline.alerting.outbox import DeliveryWorker, Send
from pipeline.alerting.webhook import WebhookSender
from pipeline.clock import Clock, ManualClock, SystemClock
from pipeline.contracts.alert import Channel, DeliveryState, DueDelivery
from pipeline.contracts.decision import Decision, Gate
from pipeline.contracts.incident import IncidentChange
from pipeline.errors import StageFailed, TransientError
from pipeline.settings import AlertingSettings
from pipeline.telemetry import Metrics
from tests.support.alerting import OPENED_AT, MemoryOutbox, make_change, make_channel, make_due
from tests.support.receiver import GIVE_UP_SECONDS, Receiver, answer, hang, send_raw

GUARDS = {"guards": make_channel()}


class Decisions:
    def __init__(self) -> None:
        self.all: list[Decision] = []

    def record(self, decision: Decision) -> None:
        self.all.append(decision)


class LongestWait(Random):
    """Jitter that always comes out at its upper end."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Bench:
    """A worker with everything around it at hand."""

    def __init__(
        self,
        send: Send,
        *entries: DueDelivery,
        channels: Mapping[str, Channel] | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        outbox: MemoryOutbox | None = None,
        **settings: Any,
    ) -> None:
        self.clock = clock or ManualClock(OPENED_AT)
        self.outbox = outbox or MemoryOutbox(entries)
        self.decisions = Decisions()
        self.metrics = Metrics()
        self.worker = DeliveryWorker(
            self.outbox,
            send,
            GUARDS if channels is None else channels,
            AlertingSettings.model_validate(settings),
            self.clock,
            self.decisions,
            self.metrics,
            owner="tester",
            random=random or LongestWait(),
        )

    def outcomes(self, outcome: str) -> float:
        name = "sightline_deliveries_total"
        return self.metrics.registry.get_sample_value(name, {"channel": "guards", "outcome": outcome}) or 0.0


def fails(error: Exception | None = None) -> Send:
    def send(change: IncidentChange, channel: Channel) -> None:
        raise error or DeliveryError("the receiver answered 500 Internal Server Error")

    return send


def succeeds(change: IncidentChange, channel: Channel) -> None:
    return None


class Running:
    """The worker's `run` on a thread, stopped at the end."""

    def __init__(self, worker: DeliveryWorker) -> None:
        self._worker = worker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=worker.run, args=(self._stop,))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._worker.wake()
        self._thread.join(GIVE_UP_SECONDS)
        assert not self._thread.is_alive()


def wait_until(is_so: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(int(GIVE_UP_SECONDS / 0.01)):
        if is_so():
            return
        tick.wait(0.01)
    raise AssertionError("it never came true")


def test_what_is_due_is_delivered_and_marked() -> None:
    """A delivery whose receiver takes it is done, counted, and noted in the ledger at the incident's time."""
    bench = Bench(succeeds, make_due(make_change()))
    assert bench.worker.run_once() == 1
    delivery = bench.outbox["incident1.1.guards"]
    assert (delivery.state, delivery.attempts, delivery.finished_at) == (DeliveryState.DELIVERED, 1, OPENED_AT)
    assert bench.outcomes("delivered") == 1
    (decision,) = bench.decisions.all
    assert (decision.gate, decision.passed, decision.reason, decision.at) == (Gate.DELIVERY, True, "told", OPENED_AT)
    assert (decision.camera_id, decision.rule_id, decision.detail) == ("gate-north", "climb-fence", "guards")


def test_nothing_due_means_nothing_tried() -> None:
    """A delivery whose time has not come is left alone."""
    bench = Bench(succeeds, make_due(make_change(), at=OPENED_AT + timedelta(seconds=1)))
    assert bench.worker.run_once() == 0


def test_a_failure_is_kept_with_its_reason() -> None:
    """A failed attempt is counted, its reason stored, and the delivery stays pending."""
    bench = Bench(fails(), make_due(make_change()))
    assert bench.worker.run_once() == 1
    delivery = bench.outbox["incident1.1.guards"]
    assert (delivery.state, delivery.attempts) == (DeliveryState.PENDING, 1)
    assert delivery.last_error == "the receiver answered 500 Internal Server Error"
    (decision,) = bench.decisions.all
    assert (decision.passed, decision.reason) == (False, "receiver failed")
    assert decision.detail == "guards: the receiver answered 500 Internal Server Error"
    assert bench.outcomes("failed") == 1


def test_waits_double_up_to_the_longest() -> None:
    """The upper end of the jitter is retry_from, doubled with each attempt, and never above retry_to."""
    bench = Bench(fails(), make_due(make_change()), retry_from=1, retry_to=10)
    waits = []
    for _ in range(6):
        assert bench.worker.run_once() == 1
        due_at = bench.outbox.next_due_at()
        assert due_at is not None
        waits.append((due_at - bench.clock.now()).total_seconds())
        bench.clock.sleep(waits[-1])
    assert waits == [1, 2, 4, 8, 10, 10]


def test_jitter_spreads_retries_over_the_whole_wait() -> None:
    """Many deliveries that failed together come back at different times, none at once, none too late."""
    entries = [make_due(make_change(sequence=n, id=f"i{n}")) for n in range(1, 41)]
    bench = Bench(fails(), *entries, random=Random(7), retry_from=100, retry_to=100)
    assert bench.worker.run_once() == 40
    waits = [(bench.outbox[e.delivery.id].next_attempt_at - bench.clock.now()).total_seconds() for e in entries]
    assert 0.05 <= min(waits) < 25
    assert 75 < max(waits) <= 100


@pytest.mark.parametrize(
    ("error", "expected_seconds"),
    [
        (DeliveryError("busy", retry_after_seconds=120), 120),
        (DeliveryError("busy", retry_after_seconds=0.2), 1),
        (DeliveryError("busy", retry_after_seconds=10_000), 600),
        (DeliveryError("gone", needs_mending=True), 600),
        (TransientError("some other trouble"), 1),
    ],
    ids=["asked for", "asked for less", "asked for too much", "needs mending", "plain transient"],
)
def test_the_wait_follows_the_kind_of_failure(error: Exception, expected_seconds: float) -> None:
    """A receiver's own Retry-After counts, up to retry_to; what a person must mend is tried seldom."""
    bench = Bench(fails(error), make_due(make_change()), retry_from=1, retry_to=600)
    bench.worker.run_once()
    assert bench.outbox.next_due_at() == OPENED_AT + timedelta(seconds=expected_seconds)


def test_after_the_last_attempt_it_is_a_dead_letter() -> None:
    """It is tried until give_up_after has passed, once more right then, and set aside with its last error."""
    bench = Bench(fails(), make_due(make_change()), give_up_after=3600, retry_from=60, retry_to=600)
    times = []
    while (due_at := bench.outbox.next_due_at()) is not None:
        bench.clock.sleep((due_at - bench.clock.now()).total_seconds())
        times.append((bench.clock.now() - OPENED_AT).total_seconds())
        bench.worker.run_once()
    delivery = bench.outbox["incident1.1.guards"]
    assert times == [0, 60, 180, 420, 900, 1500, 2100, 2700, 3300, 3600]
    assert (delivery.state, delivery.attempts) == (DeliveryState.DEAD, len(times))
    assert delivery.last_error == "the receiver answered 500 Internal Server Error"
    assert bench.decisions.all[-1].reason == "given up"
    assert bench.outcomes("dead") == 1


def test_one_that_grew_old_while_nobody_ran_is_still_tried_once() -> None:
    """A delivery older than give_up_after at the first start after an outage gets its attempt."""
    bench = Bench(succeeds, make_due(make_change(), at=OPENED_AT - timedelta(days=3)))
    bench.worker.run_once()
    assert bench.outbox["incident1.1.guards"].state is DeliveryState.DELIVERED


def test_a_replayed_dead_letter_is_sent() -> None:
    """What was given up goes out when a person replays it."""
    outbox = MemoryOutbox([make_due(make_change(), at=OPENED_AT - timedelta(days=3))])
    Bench(fails(), outbox=outbox).worker.run_once()
    assert outbox.replay(None, OPENED_AT) == 1
    Bench(succeeds, outbox=outbox).worker.run_once()
    assert outbox["incident1.1.guards"].state is DeliveryState.DELIVERED


def test_a_channel_that_left_the_site_file_is_a_dead_letter() -> None:
    """Without its channel a delivery is set aside at once, saying why."""
    bench = Bench(succeeds, make_due(make_change()), channels={})
    bench.worker.run_once()
    delivery = bench.outbox["incident1.1.guards"]
    assert delivery.state is DeliveryState.DEAD
    assert delivery.last_error == "the channel is no longer in the site file"


def test_changes_of_an_incident_arrive_in_order() -> None:
    """A later change waits while an earlier one fails, and other incidents do not."""
    with Receiver([answer(500)]) as receiver:
        channel = make_channel(receiver.url, allow_private=True)
        entries = [make_due(make_change("confirmed", sequence=n)) for n in (1, 2, 3)]
        entries.append(make_due(make_change(id="other", sequence=1), at=OPENED_AT + timedelta(seconds=1)))
        bench = Bench(WebhookSender("s", "UTC").send, *entries, channels={"guards": channel})
        for _ in range(3):
            bench.worker.run_once()
            bench.clock.sleep(2)
        ids = [request.headers["webhook-id"] for request in receiver.received]
    assert [i for i in ids if i.startswith("incident1")] == ["incident1.1"] + [f"incident1.{n}" for n in (1, 2, 3)]
    assert ids.count("other.1") == 1


def test_retries_carry_the_same_id() -> None:
    """A receiver that drops repeated ids sees each change once, whatever went wrong between."""
    script = [answer(500), send_raw(b""), answer(429, retry_after="1"), answer(200)]
    with Receiver(script) as receiver:
        channel = make_channel(receiver.url, allow_private=True)
        bench = Bench(WebhookSender("s", "UTC").send, make_due(make_change()), channels={"guards": channel})
        while (due_at := bench.outbox.next_due_at()) is not None:
            bench.clock.sleep((due_at - bench.clock.now()).total_seconds())
            bench.worker.run_once()
        assert [request.headers["webhook-id"] for request in receiver.received] == ["incident1.1"] * 4
        assert len({request.body for request in receiver.received}) == 1
    assert bench.outbox["incident1.1.guards"].state is DeliveryState.DELIVERED


def test_a_crash_between_answer_and_note_sends_again_under_the_same_id() -> None:
    """What was sent but not marked is sent by the next worker, with the id the receiver knows."""
    sent: list[str] = []
    entry = make_due(make_change())
    for _ in range(2):  # the first worker's outbox is lost with its process before the mark
        bench = Bench(lambda change, channel: sent.append(change.id), entry)
        bench.worker.run_once()
    assert sent == ["incident1.1", "incident1.1"]


def test_a_hanging_receiver_does_not_hold_up_other_channels() -> None:
    """While one channel hangs with many deliveries due before, the other channel's go out."""
    with Receiver(otherwise=hang()) as stuck, Receiver() as healthy:
        channels = {
            "stuck": make_channel(stuck.url, name="stuck", allow_private=True, timeout=30),
            "healthy": make_channel(healthy.url, name="healthy", allow_private=True),
        }
        entries = [make_due(make_change(id=f"i{n}"), "stuck") for n in range(100)]
        entries += [make_due(make_change(id=f"j{n}"), "healthy", at=OPENED_AT + timedelta(1)) for n in range(3)]
        sender = WebhookSender("s", "UTC")
        bench = Bench(sender.send, *entries, channels=channels, clock=SystemClock())
        with Running(bench.worker):
            stuck.wait_for(1)
            assert len(healthy.wait_for(3)) == 3
            assert len(stuck.received) == 1
            stuck.is_closing.set()


def test_no_more_attempts_at_once_than_there_are_workers() -> None:
    """`workers` bounds the deliveries under way, all channels together."""
    gate, lock, running, most = threading.Event(), threading.Lock(), [0], [0]

    def send(change: IncidentChange, channel: Channel) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        gate.wait(0.02)
        with lock:
            running[0] -= 1

    names = [f"c{n}" for n in range(6)]
    entries = [make_due(make_change(), name) for name in names]
    bench = Bench(send, *entries, channels={name: make_channel(name=name) for name in names}, workers=2)
    assert bench.worker.run_once() == 6
    assert 1 <= most[0] <= 2


def test_what_is_in_hand_is_not_tried_again() -> None:
    """However often the worker looks, a delivery under way goes out once, and the next change after it."""
    sent: list[str] = []
    may_answer = threading.Event()

    def send(change: IncidentChange, channel: Channel) -> None:
        sent.append(change.id)
        may_answer.wait(GIVE_UP_SECONDS)

    bench = Bench(send, make_due(make_change()), make_due(make_change(sequence=2)), workers=8)
    with Running(bench.worker):
        wait_until(lambda: sent != [])
        for _ in range(10):
            bench.worker.wake()
        may_answer.set()
        wait_until(lambda: bench.outbox.counts()["delivered"] == 2)
    assert sent == ["incident1.1", "incident1.2"]


def test_a_worker_that_stops_leaves_what_it_has_in_hand_to_others() -> None:
    """A delivery cut short is another worker's at once."""
    with Receiver([hang()]) as receiver:
        channel = make_channel(receiver.url, allow_private=True, timeout=GIVE_UP_SECONDS)
        bench = Bench(WebhookSender("s", "UTC").send, make_due(make_change()), channels={"guards": channel})
        with Running(bench.worker):
            receiver.wait_for(1)
            assert bench.outbox.claim_due("other", OPENED_AT, 60) is None
            with capture_logs():
                bench.worker.close(drain_seconds=0.05)
        assert bench.outbox.claim_due("other", OPENED_AT, 60) is not None


def test_a_database_that_cannot_be_read_is_waited_for() -> None:
    """A locked database ends nothing: the next look finds what is due."""
    bench = Bench(succeeds, make_due(make_change()))
    bench.outbox.fail_next(1)
    assert bench.worker.run_once() == 0
    assert bench.worker.run_once() == 1


def test_an_outcome_that_cannot_be_stored_is_not_sent_again() -> None:
    """While the database is locked the worker keeps the outcome and stores it later, without a second message."""
    outbox, sent = MemoryOutbox([make_due(make_change())]), []

    def send(change: IncidentChange, channel: Channel) -> None:
        sent.append(change.id)
        outbox.fail_next(3)

    Bench(send, outbox=outbox).worker.run_once()
    assert sent == ["incident1.1"]
    assert outbox["incident1.1.guards"].state is DeliveryState.DELIVERED


def test_a_change_that_cannot_be_written_out_does_not_stop_the_others() -> None:
    """An unforeseen error fails that one delivery, says its kind, and is retried seldom."""
    bench = Bench(fails(KeyError("https://hooks.example/SECRET")), make_due(make_change()))
    with capture_logs():
        bench.worker.run_once()
    delivery = bench.outbox["incident1.1.guards"]
    assert (delivery.state, delivery.last_error) == (DeliveryState.PENDING, "it could not be sent: KeyError")
    assert delivery.next_attempt_at == OPENED_AT + timedelta(seconds=600)


def test_an_outbox_that_is_broken_ends_the_worker() -> None:
    """An error that waiting does not cure is raised from `run`, instead of sending the same for ever."""

    class Broken(MemoryOutbox):
        def mark_delivered(self, delivery_id: str, at: Any) -> None:
            raise RuntimeError("no such column")

    bench = Bench(succeeds, outbox=Broken([make_due(make_change())]))
    with capture_logs(), pytest.raises(StageFailed, match="no such column"):
        bench.worker.run(threading.Event())


def test_run_delivers_what_is_added_and_stops_when_told() -> None:
    """`wake` makes `run` look at once; setting `stop` ends it after what is under way."""
    bench = Bench(succeeds, clock=SystemClock())
    with Running(bench.worker):
        bench.outbox.add(make_due(make_change()))
        bench.worker.wake()
        wait_until(lambda: bench.outbox.counts()["delivered"] == 1)


def test_run_comes_back_for_a_retry_by_itself() -> None:
    """A failed delivery is tried again when its time has come, without anybody waking the worker."""
    with Receiver([answer(503), answer(503)]) as receiver:
        channel = make_channel(receiver.url, allow_private=True)
        sender = WebhookSender("s", "UTC")
        entry = make_due(make_change(), at=SystemClock().now())
        bench = Bench(sender.send, entry, channels={"guards": channel}, clock=SystemClock(), retry_from=0.05)
        with Running(bench.worker):
            receiver.wait_for(3)
            wait_until(lambda: bench.outbox.counts()["delivered"] == 1)


def test_close_waits_only_so_long() -> None:
    """A receiver that hangs does not keep the process: its delivery stays pending for the next start."""
    with Receiver([hang()]) as receiver:
        channel = make_channel(receiver.url, allow_private=True, timeout=GIVE_UP_SECONDS)
        bench = Bench(WebhookSender("s", "UTC").send, make_due(make_change()), channels={"guards": channel})
        with Running(bench.worker):
            receiver.wait_for(1)
            with capture_logs() as logs:
                bench.worker.close(drain_seconds=0.05)
            assert [entry["number"] for entry in logs] == [1]
            assert bench.outbox["incident1.1.guards"].state is DeliveryState.PENDING
            receiver.is_closing.set()


def test_logs_hold_neither_url_nor_secret() -> None:
    """Whatever the receiver does, the log names the channel and the reason alone."""
    with Receiver([answer(404, b"no /services/xoxb-SECRET here"), answer(302, location="/xoxb-SECRET")]) as receiver:
        channel = make_channel(f"{receiver.url}/xoxb-SECRET", allow_private=True, secret="plain-SECRET")
        entries = [make_due(make_change(id=name)) for name in ("a", "b")]
        bench = Bench(WebhookSender("s", "UTC").send, *entries, channels={"guards": channel})
        with capture_logs() as logs:
            bench.worker.run_once()
    assert len(logs) == 2
    assert "SECRET" not in repr(logs)
    assert str(receiver.port) not in repr(logs)
