"""How often a wrong sign-in may be tried: by address and by account, in the memory of this process.

Only wrong ones count, so nobody is slowed down by signing in. An account under attack can be kept waiting by others,
for minutes at a time; sessions that are open stay open meanwhile. Several processes count each for itself.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from ipaddress import IPv4Address, IPv6Address, ip_address

from pipeline.clock import Clock

WINDOW_SECONDS = 300.0
MOST_BY_ACCOUNT = 10
"""Wrong ones in the window. At this rate the 10,000 commonest passwords take three and a half days."""
MOST_BY_ADDRESS = 30
"""More: a whole site can stand behind one address."""
_MOST_KEPT = 10_000
_NAME_CHARACTERS = 100


class LoginLimits:
    """Counts wrong sign-ins in a sliding window; thread-safe, bounded: beyond so many the oldest are forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def wait_seconds(self, name: str, address: str) -> float:
        """How long until the next try is looked at; 0 for now."""
        with self._lock:
            return max(self._wait(key, most) for key, most in _keys(name, address))

    def failed(self, name: str, address: str) -> None:
        """One more wrong sign-in."""
        now = self._clock.monotonic()
        with self._lock:
            for key, most in _keys(name, address):
                self._failures.setdefault(key, deque(maxlen=most)).append(now)
                self._failures.move_to_end(key)
            while len(self._failures) > _MOST_KEPT:
                self._failures.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """The account's own person is there: it starts afresh. The address does not."""
        with self._lock:
            self._failures.pop(("account", name[:_NAME_CHARACTERS]), None)

    def _wait(self, key: tuple[str, str], most: int) -> float:
        failures = self._failures.get(key, deque())
        if len(failures) < most:
            return 0.0
        return max(failures[0] + WINDOW_SECONDS - self._clock.monotonic(), 0.0)


def _keys(name: str, address: str) -> list[tuple[tuple[str, str], int]]:
    by_address = (("address", _place(address)), MOST_BY_ADDRESS)
    by_account = (("account", name[:_NAME_CHARACTERS]), MOST_BY_ACCOUNT)
    return [by_address, by_account] if name else [by_address]


def _place(address: str) -> str:
    """Of IPv6 the network of 64 bits: whoever has one has all of its addresses (RFC 4291, 2.5.4)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address) or parsed.ipv4_mapped:
        return address
    return str(IPv6Address(int(parsed) >> 64 << 64))
