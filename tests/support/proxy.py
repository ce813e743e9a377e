"""A TCP proxy that loses its connections when told to: what a cable, a firewall or a restarting broker does."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

from tests.support.broker import free_port, running_broker

_CHUNK_BYTES = 65536


class CuttableProxy:
    """Passes bytes between clients of `port` and `127.0.0.1:{target_port}`, from a daemon thread of its own."""

    def __init__(self, target_port: int, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """`port` 0 takes a free one; with `tls` the clients' side is TLS and the target's plain."""
        self.port = port or free_port()
        self._target_port = target_port
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[Any]] = set()
        self._flows = asyncio.Event()
        self._loop.call_soon_threadsafe(self._flows.set)
        self.num_connections = 0
        """Accepted so far."""
        self.num_bytes_in = 0
        """From clients so far."""
        self.mend()

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._run(self._cut())

    def mend(self) -> None:
        """Accept connections again."""
        self._run(self._mend())

    def pause(self) -> None:
        """Keep connections, and hold every byte."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def resume(self) -> None:
        """Let held bytes go on."""
        self._loop.call_soon_threadsafe(self._flows.set)

    def close(self) -> None:
        """Cut, and end the thread; may be called twice."""
        if self._loop.is_closed():
            return
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _mend(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port, ssl=self._tls)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_connections += 1
        self._pumps.add(task := asyncio.current_task())  # type: ignore[arg-type]  # inside a task there is one
        self._writers.add(writer)
        try:
            with suppress(OSError, asyncio.CancelledError):
                target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
                self._writers.add(target_writer)
                try:
                    await self._join(reader, writer, target_reader, target_writer)
                finally:
                    self._writers.discard(target_writer)
                    target_writer.transport.abort()
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            self._pumps.discard(task)  # type: ignore[arg-type]

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        target_reader: asyncio.StreamReader,
        target_writer: asyncio.StreamWriter,
    ) -> None:
        ways = {
            asyncio.create_task(self._pump(reader, target_writer, is_inward=True)),
            asyncio.create_task(self._pump(target_reader, writer, is_inward=False)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_inward: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                self.num_bytes_in += len(data) if is_inward else 0
                await self._flows.wait()
                writer.write(data)
                await writer.drain()


@contextmanager
def broker_behind_proxy(tls: ssl.SSLContext | None = None) -> Iterator[CuttableProxy]:
    """A broker whose clients all come through the proxy: connect to `proxy.port`."""
    port = free_port()
    with running_broker(advertised_port=port) as broker_port, CuttableProxy(broker_port, port=port, tls=tls) as proxy:
        yield proxy
