"""What can go wrong around a cluster, one class a fault: `strike` does it, `mend` undoes what does not mend itself."""

from __future__ import annotations

import os
import random
import signal
import threading
from contextlib import suppress
from typing import Any, Protocol

from tests.support.processes import ClusterUp, IngestRounds, wait_until
from tests.support.proxy import CuttableProxy
from tests.support.receiver import Received, Receiver, Step, answer, send_raw
from tests.support.store import PostgresServer

_READY_SECONDS = 240.0
_HANG_SECONDS = 3.0


class Fault(Protocol):
    """Struck again only after it was mended."""

    name: str

    @property
    def can_strike(self) -> bool:
        """There is something to break: what was killed before is back."""
        ...

    def strike(self) -> None: ...

    def mend(self) -> None: ...


class ReplicaKill:
    """`kill -9` of one replica; Ray Serve begins another."""

    def __init__(self, up: ClusterUp, application: str, chance: random.Random) -> None:
        self.name = application
        self._up = up
        self._chance = chance

    @property
    def can_strike(self) -> bool:
        return bool(self._up.replicas(self.name))

    def strike(self) -> None:
        replicas = self._up.replicas(self.name)
        if replicas:
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(replicas), signal.SIGKILL)

    def mend(self) -> None:
        pass


class HeadKill:
    """`kill -9` of all of Ray and of the command, which is then given again."""

    name = "head"

    def __init__(self, up: ClusterUp) -> None:
        self._up = up

    @property
    def can_strike(self) -> bool:
        return self._up.is_ready

    def strike(self) -> None:
        self._up.kill()

    def mend(self) -> None:
        self._up.start()
        wait_until(lambda: self._up.is_ready, _READY_SECONDS, "the cluster to come up again")


class IngestKill:
    """`kill -9` of ingest, which is then run again from the beginning of its round."""

    name = "ingest"

    def __init__(self, rounds: IngestRounds) -> None:
        self._rounds = rounds

    @property
    def can_strike(self) -> bool:
        return self._rounds.is_running

    def strike(self) -> None:
        self._rounds.kill()

    def mend(self) -> None:
        pass


class BrokerCut:
    """All connections to the broker are reset and new ones refused, or every byte is held."""

    name = "broker"
    can_strike = True

    def __init__(self, proxy: CuttableProxy, chance: random.Random) -> None:
        self._proxy = proxy
        self._chance = chance

    def strike(self) -> None:
        self._chance.choice((self._proxy.cut, self._proxy.pause))()

    def mend(self) -> None:
        self._proxy.mend()
        self._proxy.resume()


class DatabaseStop:
    """PostgreSQL stops as in a power cut."""

    name = "database"
    can_strike = True

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    def strike(self) -> None:
        self._server.stop()

    def mend(self) -> None:
        self._server.start()


class Guards(Receiver):
    """A receiver that dedupes by the webhook's id. Also while all is well it fails now and then, and now and then it
    accepts a message without getting to say so."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.accepted: dict[str, dict[str, Any]] = {}
        """Bodies by webhook id."""
        self.num_repeated = 0
        """Accepted again, and dropped by its id."""
        self.num_failed = 0
        """Attempts that were not answered with success."""
        self.is_away = False
        self._chance = chance
        self._lock = threading.Lock()

    def take(self, request: Received) -> Step:
        """Accept or not, answer or not."""
        with self._lock:
            is_accepted = self._chance.random() < (0.5 if self.is_away else 0.95)
            is_answered = self._chance.random() < 0.95
            if is_accepted:
                self._accept(request)
            if is_accepted and is_answered and not self.is_away:
                return answer(204)
            self.num_failed += 1
            return self._chance.choice((answer(503), send_raw(b""), self._hang))

    def _accept(self, request: Received) -> None:
        number = request.headers["webhook-id"]
        self.num_repeated += number in self.accepted
        self.accepted[number] = request.json

    def _hang(self, _handler: Any) -> None:
        """Longer than the sender waits."""
        self.is_closing.wait(_HANG_SECONDS)


class ReceiverOutage:
    """Connections are refused, or accepted and then answered with 503, with nothing, or never."""

    name = "receiver"
    can_strike = True

    def __init__(self, guards: Guards, proxy: CuttableProxy, chance: random.Random) -> None:
        self._guards = guards
        self._proxy = proxy
        self._chance = chance

    def strike(self) -> None:
        self._guards.is_away = True
        if self._chance.random() < 0.5:
            self._proxy.cut()

    def mend(self) -> None:
        self._guards.is_away = False
        self._proxy.mend()
