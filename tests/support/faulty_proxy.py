"""A proxy in front of a DERIVA host that fails on demand: it drops, stalls, cuts, loses answers and says 503.

It speaks TLS with the host's own certificate, on a loopback port of its own, so clients see it as one more host named
`localhost:PORT`. What fails is decided by rules, each for so many requests, or by a seed: the same requests in the same
order meet the same faults. Every request is noted with what became of it.

Bags are made by the real host for the real host: the addresses of their assets are changed to go through here as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import random
import re
import socket
import ssl
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

# drop: the request is not forwarded, the connection breaks.   lose: it is forwarded, and the answer is not given.
# stall: not forwarded, silence for `seconds`, then it breaks.  cut: half of the answer's body, then it breaks.
# unavailable: 503, not forwarded, with Retry-After if given.   bad_gateway: forwarded, but the answer is 502.
Kind = Literal["drop", "lose", "stall", "cut", "unavailable", "bad_gateway"]
KINDS: tuple[Kind, ...] = ("drop", "lose", "stall", "cut", "unavailable", "bad_gateway")

IDLE_SECONDS = 2.0  # an older connection to the real host may be closed just when it is used again
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass
class Fault:
    """One rule: which requests fail, how, and how many of them.

    Attributes:
        kind: What happens.
        method: Pattern of the method.
        path: Pattern that is searched for in the path, query included.
        times: For how many requests; None means for all.
        skip: How many that match are let through before.
        seconds: How long a stall lasts.
        retry_after: Value of the header of a 503.
    """

    kind: Kind
    method: str = ".*"
    path: str = ""
    times: int | None = 1
    skip: int = 0
    seconds: float = 60.0
    retry_after: str | None = None

    def matches(self, method: str, path: str) -> bool:
        return re.fullmatch(self.method, method) is not None and re.search(self.path, path) is not None


@dataclass(frozen=True)
class Seen:
    """A request that arrived at the proxy: `outcome` is `passed`, or the kind of its fault."""

    method: str
    path: str
    outcome: str


class FaultyProxy:
    """Forwards to a host until it is told to fail; use it as a context manager.

    Args:
        upstream: `localhost:PORT` of the real host.
        certificate: PEM file of the certificate to show.
        key: PEM file of its key.
        authority: PEM file of the authority that signed the real host's certificate.
    """

    def __init__(self, upstream: str, *, certificate: Path, key: Path, authority: Path) -> None:
        self.upstream = upstream
        self.trust = ssl.create_default_context(cafile=str(authority))
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._seen: list[Seen] = []
        self._dice: tuple[random.Random, float, tuple[Kind, ...], dict[str, Any]] | None = None
        self.closing = threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        # The handshake happens in the connection's own thread, at the first byte that is read.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.hostname = f"localhost:{self._server.server_address[1]}"

    def __enter__(self) -> FaultyProxy:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="faulty proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def fail(self, kind: Kind, method: str = ".*", path: str = "", **options: Any) -> None:
        """Let requests fail, see `Fault`; of several rules that match, the oldest that is not used up decides."""
        with self._lock:
            self._faults.append(Fault(kind, method, path, **options))

    def fail_at_random(self, seed: int, share: float, kinds: tuple[Kind, ...] = KINDS, **options: Any) -> None:
        """Let this share of all requests fail, in one of these ways."""
        with self._lock:
            self._dice = random.Random(seed), share, kinds, options

    def work(self) -> None:
        """No more faults."""
        with self._lock:
            self._faults.clear()
            self._dice = None

    def forget(self) -> None:
        """Forget which requests there were."""
        with self._lock:
            self._seen.clear()

    def seen(self, method: str = ".*", path: str = "", outcome: str = ".*") -> list[Seen]:
        """The requests so far that match the patterns."""
        with self._lock:
            return [
                one
                for one in self._seen
                if re.fullmatch(method, one.method) and re.search(path, one.path) and re.fullmatch(outcome, one.outcome)
            ]

    def fate(self, method: str, path: str) -> Fault | None:
        """What is to happen to a request that has arrived."""
        with self._lock:
            fault = self._rule(method, path) or self._thrown()
            self._seen.append(Seen(method, path, fault.kind if fault else "passed"))
            return fault

    def _rule(self, method: str, path: str) -> Fault | None:
        for fault in self._faults:
            if fault.times == 0 or not fault.matches(method, path):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
            return fault
        return None

    def _thrown(self) -> Fault | None:
        if self._dice is None:
            return None
        dice, share, kinds, options = self._dice
        return Fault(dice.choice(kinds), **options) if dice.random() < share else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: FaultyProxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away are what this is for."""


class _Broken(Exception):
    """The connection to the client ends here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._upstream: http.client.HTTPSConnection | None = None
        self._used = 0.0

    def finish(self) -> None:
        if self._upstream:
            self._upstream.close()
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        """Nothing: `FaultyProxy.seen` tells."""

    def _serve(self) -> None:
        try:
            self._answer(self.server.proxy)
        except (_Broken, OSError, http.client.HTTPException):
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def _answer(self, proxy: FaultyProxy) -> None:
        fault = proxy.fate(self.command, self.path)
        kind = fault.kind if fault else None
        if fault and kind == "stall":
            proxy.closing.wait(fault.seconds)
        if kind in ("stall", "drop"):
            raise _Broken
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault and kind == "unavailable":
            extra = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
            self._reply(503, extra | {"Content-Type": "text/plain"}, b"The service is not available.")
            return
        status, headers, answer = self._forward(proxy, body)
        if kind == "lose":
            raise _Broken
        if kind == "bad_gateway":
            status, headers, answer = 502, {"Content-Type": "text/plain"}, b"Bad gateway."
        self._reply(status, headers, answer, cut=kind == "cut")

    def _forward(self, proxy: FaultyProxy, body: bytes) -> tuple[int, dict[str, str], bytes]:
        own, real = proxy.hostname.encode(), proxy.upstream.encode()
        if self.path.startswith("/deriva/export/"):
            body = body.replace(own, real)
        connection = self._connection(proxy)
        connection.putrequest(self.command, self.path, skip_host="Host" in self.headers, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("content-length", "connection"):
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        answer = response.read()
        self._used = time.monotonic()
        headers = {name: value for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP}
        if self.path.startswith("/deriva/export/") and zipfile.is_zipfile(io.BytesIO(answer)):
            answer = redirected(answer, real, own)
        if self.command == "HEAD" and (length := response.getheader("Content-Length")):
            headers["Content-Length"] = length
        return response.status, headers, answer

    def _connection(self, proxy: FaultyProxy) -> http.client.HTTPSConnection:
        if self._upstream is None or time.monotonic() - self._used > IDLE_SECONDS:
            if self._upstream:
                self._upstream.close()
            host, port = proxy.upstream.split(":")
            self._upstream = http.client.HTTPSConnection(host, int(port), context=proxy.trust, timeout=120)
            self._upstream.connect()
            self._upstream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._upstream

    def _reply(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
        if status not in (204, 304) and self.command != "HEAD":
            headers = headers | {"Content-Length": str(len(body))}
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if self.command == "HEAD":
            body = b""
        self.wfile.write(head + (body[: len(body) // 2] if cut else body))
        if cut:
            raise _Broken


def redirected(bag: bytes, before: bytes, after: bytes) -> bytes:
    """A zipped bag whose assets are fetched from another host; its checksums are right again."""
    with zipfile.ZipFile(io.BytesIO(bag)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for fetch in [name for name in files if name.endswith("/fetch.txt")]:
        old = files[fetch]
        files[fetch] = old.replace(before, after)
        for manifest in [name for name in files if "/tagmanifest-" in name]:
            algorithm = manifest.rpartition("-")[2].removesuffix(".txt")
            sums = (hashlib.new(algorithm, content).hexdigest().encode() for content in (old, files[fetch]))
            files[manifest] = files[manifest].replace(*sums)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


@contextlib.contextmanager
def in_front_of(upstream: str, tls: Path) -> Iterator[FaultyProxy]:
    """A proxy in front of a `deriva-local`, whose folder of certificates is given."""
    certificates = {"certificate": tls / "localhost.pem", "key": tls / "localhost.key", "authority": tls / "ca.pem"}
    with FaultyProxy(upstream, **certificates) as proxy:
        yield proxy
