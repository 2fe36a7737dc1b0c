"""A load generator in a process of its own: some connections that each ask again as soon as they are answered.

python _load.py URL BODY_FILE CONNECTIONS SECONDS    prints {"per_second": …, "p50_ms": …, "p99_ms": …, "other": …}
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit


class Connection(asyncio.Protocol):
    """One connection, and the seconds of its answers."""

    def __init__(self, request: bytes, until: float) -> None:
        self.request, self.until = request, until
        self.seconds: list[float] = []
        self.other = 0  # answers that are not 200
        self.ended = asyncio.get_running_loop().create_future()
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) < int(length[15:]):
            return
        now = time.perf_counter()
        self.seconds.append(now - self.began)
        self.other += not head.startswith(b"HTTP/1.1 200")
        self._buffer = b""
        if now < self.until:
            self._ask()
        else:
            self.ended.set_result(None)
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("closed"))

    def _ask(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.request)  # type: ignore[attr-defined]


async def load(url: str, body: bytes, connections: int, seconds: float) -> dict[str, float]:
    place = urlsplit(url)
    head = f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    made = [
        await loop.create_connection(lambda: Connection(request, began + seconds), place.hostname, place.port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.ended for _, protocol in made))
    taken = time.perf_counter() - began
    ordered = sorted(each for _, protocol in made for each in protocol.seconds)
    return {
        "per_second": len(ordered) / taken,
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
        "answers": len(ordered),
        "other": sum(protocol.other for _, protocol in made),
    }


if __name__ == "__main__":
    _, address, file, many, long = sys.argv
    print(json.dumps(asyncio.run(load(address, Path(file).read_bytes(), int(many), float(long)))))
