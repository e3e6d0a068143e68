"""What benchmarks of servers share: processes that tell their CPU time, and a client that costs as little as it can."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Final

from attrs import define, field

from tests.benchmarks.bench_store import heard, tell

_END: Final = b"\r\n\r\n"


def started(stack: ExitStack, module: str, role: str, *arguments: str) -> subprocess.Popen[str]:
    """A process of a module that answers a line with its CPU seconds (:func:`tests.benchmarks.bench_hop.told`).

    It is ready when this returns, and goes when its input ends.
    """
    process = subprocess.Popen([sys.executable, "-m", module, role, *arguments], text=True, bufsize=1,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip

    def end() -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)

    stack.callback(end)
    assert heard(process) == "ready"
    return process


def cpu_of(process: subprocess.Popen[str]) -> float:
    """The CPU seconds of a started process, user and system."""
    tell(process, "cpu")
    return float(heard(process))


@define(eq=False)
class Connection(asyncio.Protocol):
    """One kept HTTP connection: a request's bytes out, the answer's status back. Bodies are counted, not kept."""

    transport: asyncio.Transport | None = None
    waiter: asyncio.Future[int] | None = None
    head: bytes = b""
    left: int = -1
    status: int = 0
    size: int = 0
    """Bytes of the last body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """A piece of an answer."""
        if self.left < 0:
            self.head += data
            head, found, body = self.head.partition(_END)
            if not found:
                return
            self.status = int(head[9:12])
            low = head.lower()
            at = low.index(b"content-length:") + 15
            self.size = int(low[at:].split(b"\r", 1)[0])
            self.left, data, self.head = self.size, body, b""
        self.left -= len(data)
        if self.left == 0:
            self.left = -1
            assert self.waiter is not None
            waiter, self.waiter = self.waiter, None
            if not waiter.done():
                waiter.set_result(self.status)

    def connection_lost(self, why: Exception | None) -> None:
        """Whoever waits learns of it."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(why or ConnectionError("closed without an answer"))

    def send(self, request: bytes) -> asyncio.Future[int]:
        """Send a request; gives the status of its answer."""
        assert self.transport is not None
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.waiter

    def close(self) -> None:
        """Hang up."""
        assert self.transport is not None
        self.transport.close()


@define
class Measured:
    """What a load saw: how long it took in seconds, every answer's time, statuses, bytes of bodies."""

    seconds: float = 0.0
    took: list[float] = field(factory=list)
    statuses: Counter[int] = field(factory=Counter)
    bytes: int = 0

    def p99(self) -> float:
        """The time below which 99 of 100 answers came, in seconds."""
        return sorted(self.took)[len(self.took) * 99 // 100]


async def connected(port: int) -> Connection:
    """A connection to a server on this machine."""
    _, made = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return made


async def driven(port: int, requests: Iterable[bytes], connections: int) -> Measured:
    """Send requests over so many connections, each waiting for its answer before the next."""
    left: Iterator[bytes] = iter(requests)
    found = Measured()

    async def one(connection: Connection) -> None:
        for request in left:
            began = time.perf_counter()
            status = await connection.send(request)
            found.took.append(time.perf_counter() - began)
            found.statuses[status] += 1
            found.bytes += connection.size

    made = [await connected(port) for _ in range(connections)]
    began = time.perf_counter()
    await asyncio.gather(*(one(connection) for connection in made))
    found.seconds = time.perf_counter() - began
    for connection in made:
        connection.close()
    return found


def request(method: str, path: str, token: str, body: bytes = b"", **headers: str) -> bytes:
    """A request's bytes, with an Authorization header as OCPI wants it."""
    from bridge.ocpi.envelope import spelled

    told = {"Host": "localhost", "Authorization": spelled(token), "X-Request-ID": "7b1e", "X-Correlation-ID": "9c2f"} | headers
    if body:
        told |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join(lines).encode() + _END + body
