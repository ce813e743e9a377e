"""Hearing of rebalances without holding up heartbeats.

kafka-python calls a listener on its network thread while `poll` waits for it: nothing that blocks may run there, not
even a commit. So what a revocation asks for runs on a thread of its own, and the network thread goes on meanwhile.
Since `poll` has not returned, that thread and the one that polls never work at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from kafka import KafkaConsumer
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.net.wakeup_notifier import WakeupNotifier
from kafka.structs import TopicPartition

Hear = Callable[[Collection[TopicPartition]], None]
"""Must not raise: the client would log it and carry on in doubt."""


class RebalanceListener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Tells `assigned` on the network thread, `revoked` and `lost` on one where blocking is fine."""

    def __init__(self, consumer: KafkaConsumer, *, assigned: Hear, revoked: Hear, lost: Hear) -> None:
        self._net = consumer._net
        self._assigned, self._revoked, self._lost = assigned, revoked, lost

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """These were added: with the cooperative protocol those that stay are not named."""
        self._assigned(assigned)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """These go to another member, which waits for us to let go."""
        await self._on_own_thread(self._revoked, revoked)

    async def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        """These may belong to another member already: we were silent for longer than the session timeout."""
        await self._on_own_thread(self._lost, lost)

    async def _on_own_thread(self, hear: Hear, partitions: Collection[TopicPartition]) -> None:
        is_over = WakeupNotifier(self._net)

        def run() -> None:
            try:
                hear(partitions)
            finally:
                is_over.notify()

        threading.Thread(target=run, name="rebalance", daemon=True).start()
        await is_over()
