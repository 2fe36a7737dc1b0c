"""The server process: what runs behind `deriva-local start`, from taking the lock to stopping PostgreSQL.

In: a data directory, a port and a DSN (None: those of last time). It binds loopback sockets, starts or adopts
PostgreSQL, and serves until a signal. As soon as it answers it writes the state file and reports to its starter.

As a program it reads `{"data_dir": …, "port": …, "dsn": …}` from standard input and writes one JSON line to standard
output, `{"running": …}` or `{"error": …}`: a DSN may hold a password, so it is never on a command line.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deriva_local import loopback
from deriva_local.errors import Conflict, ServiceError
from deriva_local.files import read_json, write_atomically
from deriva_local.paths import Paths
from deriva_local.pg import Cluster

LOCK_TIMEOUT_S = 1.0
WATCH_S = 2.0

logger = logging.getLogger(__name__)


def run(paths: Paths, port: int | None, dsn: str | None, ready: Callable[[], None]) -> None:
    """Serve until told to stop; call `ready` once requests are answered.

    Raises:
        Conflict: The data directory is served already, or the port is taken.
        Unavailable: PostgreSQL does not start.
    """
    paths.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _only_server(paths), contextlib.ExitStack() as stack:
        paths.state.unlink(missing_ok=True)
        stack.callback(paths.state.unlink, missing_ok=True)
        config = read_json(paths.config)
        dsn = dsn or config.get("dsn")
        sockets = loopback.bind(port, config.get("port"))
        for bound in sockets:
            stack.enter_context(bound)
        port = sockets[0].getsockname()[1]
        postgres = _external(dsn) if dsn else _embedded(paths, stack)

        def started() -> None:
            write_atomically(paths.config, json.dumps({"port": port} | ({"dsn": dsn} if dsn else {})))
            write_atomically(paths.state, json.dumps({"pid": os.getpid(), "port": port}))
            ready()

        from deriva_local.web import serve  # noqa: PLC0415  (loads for a while: PostgreSQL starts meanwhile)

        serve(paths, postgres(), sockets, started)


@contextlib.contextmanager
def _only_server(paths: Paths) -> Iterator[None]:
    """Hold the data directory's lock. Whoever only asks for the status holds it for an instant, hence the patience."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    with paths.lock.open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Conflict(f"Another deriva-local serves {paths.data_dir} already.") from None
                time.sleep(0.02)
        yield


def _external(dsn: str) -> Callable[[], str]:
    from deriva_local.pg.external import ExternalServer  # noqa: PLC0415  (loads psycopg)

    server = ExternalServer(dsn)
    server.check()
    return lambda: server.dsn("postgres")


def _embedded(paths: Paths, stack: contextlib.ExitStack) -> Callable[[], str]:
    """Start or adopt PostgreSQL in the background; gives a function that waits for its connection string."""
    cluster = Cluster(paths.data_dir)
    starting = ThreadPoolExecutor(1).submit(cluster.start)
    stack.callback(cluster.stop)
    stack.callback(starting.exception)  # a start under way comes to its end before the stop
    stopping = threading.Event()

    def watch() -> None:
        while not stopping.wait(WATCH_S):
            if not cluster.is_running():
                logger.warning("PostgreSQL is gone; starting it again.")
                try:
                    cluster.restart()
                except (ServiceError, OSError) as error:
                    logger.warning("%s", error)

    def wait() -> str:
        starting.result()
        watcher = threading.Thread(target=watch, name="postgresql watch", daemon=True)
        watcher.start()
        stack.callback(watcher.join)
        stack.callback(stopping.set)
        return cluster.dsn("postgres")

    return wait


def main() -> int:
    """The detached server: wishes from standard input, one line of report to standard output, the rest to the log."""
    wish = json.load(sys.stdin)
    report = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    def tell(**content: Any) -> None:
        with contextlib.suppress(BrokenPipeError), report:  # whoever started us may be gone
            report.write(json.dumps(content) + "\n")

    try:
        run(Paths(Path(wish["data_dir"])), wish["port"], wish["dsn"], lambda: tell(running=True))
    except ServiceError as error:
        tell(error=error.message)
        return 1
    except Exception:
        logger.exception("The server ends for a reason that it did not expect.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
