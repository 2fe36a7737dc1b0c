"""A server that runs until a signal ends it, and loses nothing that it was asked."""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
import sys

import uvicorn

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.ops.serving.app import create_app
from deriva_ml_kit.ops.serving.service import Settings

_log = logging.getLogger(__name__)


def serve(settings: Settings, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve until SIGTERM or Ctrl-C: then no request is taken any more, and those that were are answered and logged.

    Args:
        settings: What and how.
        host: Address to listen on; others than loopback's are reached from other machines.
        port: Port; 0 takes a free one.

    Raises:
        UsageError: The log cannot be written, or the address not be taken.
    """
    if not is_loopback(host):
        _log.warning("%s is reached from other machines: put a proxy with TLS and a login before it", host)
    # A thread with a model gives way to the one that answers after half a millisecond, not after five.
    sys.setswitchinterval(0.0005)
    with _listening(host, port) as bound:
        config = uvicorn.Config(
            create_app(settings),
            access_log=False,  # the prediction log says more
            server_header=False,
            log_config=None,
            timeout_graceful_shutdown=round(settings.patience) + 20,
        )
        _log.warning("http://%s:%d", host, bound.getsockname()[1])
        # uvicorn raises the signals that it caught once more when it has finished; whoever called us goes on instead.
        before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            uvicorn.Server(config).run([bound])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens; asyncio sends without delay only on those that name their protocol."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, socket.IPPROTO_TCP)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(2048)
    except OSError as error:
        raise UsageError(
            f"Nothing can listen on {host}:{port}: {error}", remedy="Is a server running there? Give another --port."
        ) from error
    return made


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
