"""What can go wrong around a cluster, one class a fault: `strike` does it, `mend` undoes what does not mend itself."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any, Protocol

from tests.support.cluster import ClusterUp, IngestRounds, wait_until
from tests.support.proxy import CuttableProxy
from tests.support.receiver import answer
from tests.support.store import PostgresServer

_READY_SECONDS = 240.0


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


class Guards:
    """A receiver that dedupes by the webhook's id, and the ways it is away: as a `Step` of `Receiver`.

    Even while all is well, it sometimes accepts a message and does not get to say so.
    """

    def __init__(self, chance: random.Random) -> None:
        self.accepted: dict[str, dict[str, Any]] = {}
        """Bodies by webhook id."""
        self.times: Counter[str] = Counter()
        """How often each was accepted."""
        self.num_refused = 0
        self._chance = chance
        self._lock = threading.Lock()
        self._is_back = threading.Event()
        self._is_back.set()
        self._is_hanging = False

    def step(self, handler: Any) -> None:
        """Answer one request."""
        with self._lock:
            is_up, luck = self._is_back.is_set(), self._chance.random()
            is_accepted = luck < 0.95 if is_up else self._is_hanging and luck < 0.5
            if is_accepted:
                self._accept(handler.server.receiver.received[-1], handler.headers["webhook-id"])
            else:
                self.num_refused += 1
        if not is_up and self._is_hanging:
            self._is_back.wait(10.0)
        answer(204 if is_accepted and luck < 0.9 else 503)(handler)
