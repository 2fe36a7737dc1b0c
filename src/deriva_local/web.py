"""The application on sockets: uvicorn over TLS, until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable

import uvicorn

from deriva_local import tls
from deriva_local.app import Settings, build_app
from deriva_local.paths import Paths

KEEP_ALIVE_S = 300
DRAIN_S = 5
LONGEST_URL_BYTES = 1 << 20


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(paths: Paths, dsn: str, sockets: list[socket.socket], ready: Callable[[], None]) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP; requests under way get `DRAIN_S` to finish."""
    trust = tls.ensure(paths.tls)
    settings = Settings(paths, dsn, sockets[0].getsockname()[1], trust.bundle)
    # Clients of DERIVA inside this process (the export engine) have to trust us, too.
    os.environ.update(dict.fromkeys(tls.BUNDLE_VARIABLES, str(trust.bundle)))
    config = uvicorn.Config(
        build_app(settings),
        ssl_certfile=trust.certificate,
        ssl_keyfile=trust.key,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        h11_max_incomplete_event_size=LONGEST_URL_BYTES,
    )
    server = _Server(config, ready)
    # uvicorn raises the signals that it caught once more when it has finished: then PostgreSQL is still to be stopped.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, lambda *_: setattr(server, "should_exit", True))
    asyncio.run(server.serve(sockets))
