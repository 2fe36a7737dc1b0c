"""Listening sockets on this machine's loopback addresses, and on no other.

In: the port that was asked for, or that of last time. Out: bound sockets, one for each meaning of `localhost`.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket

from deriva_local.errors import Conflict

ADDRESSES = ("127.0.0.1", "::1")
DEFAULT_PORT = 8443
PORTS_TRIED = 100
BACKLOG = 128


def bind(asked: int | None, remembered: int | None) -> list[socket.socket]:
    """Sockets on the port asked for, or on that of last time; at the very first start on the first that is free.

    The port is part of every URL that a catalog hands out (citations, assets), so it never changes by itself.

    Raises:
        Conflict: The port is taken.
    """
    fixed = asked if asked is not None else remembered
    candidates = [fixed] if fixed is not None else range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED)
    for port in candidates:
        with contextlib.suppress(_PortTakenError):
            return _bind_all(port)
    if asked is not None:
        raise Conflict(f"Port {asked} is in use by another program. Choose another with --port.")
    if remembered is not None:
        raise Conflict(
            f"Port {remembered}, which the URLs of this data directory hold, is in use by another program. "
            "Stop that program, or choose another port with --port."
        )
    raise Conflict(f"No port from {DEFAULT_PORT} to {DEFAULT_PORT + PORTS_TRIED - 1} is free. Choose one with --port.")


def listen(address: str, port: int) -> socket.socket:
    """A listening socket on a loopback address.

    Raises:
        Conflict: The address is not a loopback address: this service has no business there.
        OSError: It is in use, or there is no IPv6.
    """
    if not ipaddress.ip_address(address).is_loopback:
        raise Conflict(f"deriva-local serves this machine only; {address} is not a loopback address.")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it every streamed answer waits 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


class _PortTakenError(Exception):
    pass


def _bind_all(port: int) -> list[socket.socket]:
    """Both addresses or none: nobody else shall answer on the other one."""
    sockets: list[socket.socket] = []
    for address in ADDRESSES:
        try:
            sockets.append(listen(address, port))
        except OSError as error:
            if sockets and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # no IPv6 here
                continue
            for bound in sockets:
                bound.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise _PortTakenError from None
            raise
        port = sockets[0].getsockname()[1]  # 0 means any
    return sockets
