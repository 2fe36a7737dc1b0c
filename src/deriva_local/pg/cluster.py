"""A PostgreSQL cluster of our own, in a data directory, reachable through a Unix socket only.

In: a data directory. Out: a running server and `dsn(database)`. `<data_dir>/postgres` holds the cluster; as root it is
a link to a folder of the system that belongs to the user PostgreSQL runs as (see `binaries`).

The server runs in a session of its own and outlives whoever started it; any later `Cluster` on the same directory
finds it. Starting is safe from several processes at once. Every commit is on disk before it is acknowledged
(`fsync` stays on), so `kill -9` of anything loses nothing: the next start recovers.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from deriva_local.errors import Unavailable
from deriva_local.files import appending, locked, tail
from deriva_local.pg import binaries, postmaster

ROLE = "deriva_local"
PORT = 5432  # only part of the socket's name: no TCP
SOCKET_PATH_LIMIT = 103  # of sockaddr_un on macOS, the shortest; Linux has 107
START_TIMEOUT_S = 60.0  # crash recovery replays at most `max_wal_size`
STOP_TIMEOUT_S = 30.0
# Sorting is by code point. Case folding of letters beyond ASCII needs a UTF-8 locale; its name differs by system.
CTYPES = ("C.UTF-8", "en_US.UTF-8", "UTF-8", "C")
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",  # compiling costs more than these short queries take
    "max_parallel_workers_per_gather": "0",  # needs shared memory that small containers lack
    "max_parallel_maintenance_workers": "0",
    # What clients send may be confidential: no statements, values or rows in the log, only the server's own events.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}


class Cluster:
    """The PostgreSQL cluster of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self._home = self.data_dir / "postgres"
        self._log = self.data_dir / "logs" / "postgres.log"

    @property
    def pgdata(self) -> Path:
        """PostgreSQL's own data directory, links resolved."""
        return self._home.resolve() / "data"

    def is_running(self) -> bool:
        """Whether the server of this data directory takes connections."""
        found = self._find()
        return found is not None and found.ready

    def dsn(self, database: str) -> str:
        """A libpq connection string for `database`.

        Raises:
            Unavailable: The server does not run.
        """
        found = self._find()
        if found is None:
            raise Unavailable(f"PostgreSQL is not running on {self.data_dir}. Run: deriva-local start")
        host = str(found.socket_dir).replace("\\", r"\\").replace("'", r"\'")
        return f"host='{host}' port={PORT} user={ROLE} dbname={database}"

    def start(self) -> None:
        """Make the cluster if there is none, and start the server unless it runs.

        Raises:
            Unavailable: It does not come up; the message ends with the log's last lines.
        """
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            if not self._exists():
                self._create()
            self._start()

    def restart(self) -> None:
        """Start the server unless it runs, but never make a new cluster: an empty one is no substitute.

        Raises:
            Unavailable: It does not come up, or its files are gone.
        """
        if not self._exists():
            raise Unavailable(f"The PostgreSQL cluster of {self.data_dir} is gone. Run: deriva-local stop")
        with self._locked():
            self._start()

    def stop(self) -> None:
        """Stop the server, if it runs, as soon as its open transactions have been rolled back.

        Raises:
            Unavailable: It does not end.
        """
        if not self.data_dir.is_dir():
            return
        with self._locked():
            self._stop()

    def destroy(self) -> None:
        """Stop the server and delete the cluster with all its databases."""
        if not self.data_dir.is_dir():
            return
        with self._locked():
            self._stop()
            target = self._home.resolve()
            if self._home.is_symlink():
                self._home.unlink()
            shutil.rmtree(target, ignore_errors=True)

    def _exists(self) -> bool:
        return (self.pgdata / "PG_VERSION").is_file()

    def _start(self) -> None:
        if self._find() is None:
            self._launch_patiently()
        else:
            _wait_until(self.is_running, START_TIMEOUT_S, "PostgreSQL is starting, and does not get ready.")

    def _find(self) -> postmaster.Postmaster | None:
        return postmaster.find(self.pgdata)

    def _locked(self) -> AbstractContextManager[None]:
        """One process at a time creates, starts or stops."""
        return locked(self.data_dir / "postgres.lock")

    def _create(self) -> None:
        """Run initdb in a fresh folder, which takes its place only when complete."""
        if not self._home.is_dir():
            self._make_home()
        shutil.rmtree(self.pgdata, ignore_errors=True)
        fresh = self._home.resolve() / "new"
        shutil.rmtree(fresh, ignore_errors=True)
        for ctype in CTYPES:
            done = self._run_initdb(fresh, ctype)
            if done.returncode == 0:
                fresh.rename(self.pgdata)
                return
            if "invalid locale" not in done.stderr:
                break
        raise Unavailable(f"PostgreSQL's initdb failed in {fresh}:\n{tail(done.stderr)}")

    def _make_home(self) -> None:
        self._home.unlink(missing_ok=True)  # a link whose target was deleted
        if not binaries.is_root():
            self._home.mkdir(mode=0o700)
            return
        binaries.SYSTEM_DIR.mkdir(mode=0o755, parents=True, exist_ok=True)
        target = binaries.SYSTEM_DIR / secrets.token_hex(6)
        target.mkdir(mode=0o700)
        (target / "belongs-to").write_text(f"{self.data_dir}\n")  # for people who find the folder
        os.chown(target, binaries.unprivileged_uid(), -1)
        self._home.symlink_to(target)

    def _run_initdb(self, pgdata: Path, ctype: str) -> subprocess.CompletedProcess[str]:
        command = [
            str(binaries.bin_dir() / "initdb"),
            f"--pgdata={pgdata}",
            f"--username={ROLE}",
            "--auth-local=trust",  # whoever reaches the socket may enter; its folder is closed to others
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale=C",
            f"--lc-ctype={ctype}",
            "--no-instructions",
            "--no-sync",  # nothing of value yet; the first start checkpoints with fsync on
        ]
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, cwd="/", env=_environment(), capture_output=True, text=True, check=False, **self._identity()
        )
        return done

    def _identity(self) -> dict[str, Any]:
        """PostgreSQL runs as the owner of the cluster's folder."""
        return binaries.run_as(self._home.stat().st_uid)

    def _launch_patiently(self) -> None:
        """Start; after a crash, give the backends of the old server the moment they need to notice and end."""
        postmaster.disown(self.pgdata)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._launch():
            last = tail(self._log.read_text(errors="replace"))
            if "still in use" not in last or time.monotonic() > deadline:
                raise Unavailable(f"PostgreSQL does not start on {self.pgdata}. Its log {self._log} ends with:\n{last}")
            time.sleep(0.1)

    def _launch(self) -> bool:
        """Start the postmaster once and wait until it takes connections; False if it ended instead."""
        socket_dir = self._socket_dir()
        settings = SETTINGS | {"unix_socket_directories": str(socket_dir)}
        command = [str(binaries.bin_dir() / "postgres"), "-D", str(self.pgdata), "-p", str(PORT)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with appending(self._log) as log:
            server = subprocess.Popen(
                command,
                cwd="/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._identity(),
            )
        _wait_until(
            lambda: self.is_running() or server.poll() is not None,
            START_TIMEOUT_S,
            f"PostgreSQL does not get ready on {self.pgdata}; see {self._log}.",
        )
        return server.poll() is None

    def _socket_dir(self) -> Path:
        """A folder for the socket that only its owner enters, with a path short enough for a socket."""
        beside = self._home.resolve() / "run"
        if len(f"{beside}/.s.PGSQL.{PORT}") <= SOCKET_PATH_LIMIT:
            beside.mkdir(mode=0o700, exist_ok=True)
            chosen = beside
        else:
            chosen = postmaster.former_socket_dir(self.pgdata) or postmaster.temporary_socket_dir()
        if binaries.is_root():
            os.chown(chosen, self._home.stat().st_uid, -1, follow_symlinks=False)
        return chosen

    def _stop(self) -> None:
        found = self._find()
        if found is None:
            return
        os.kill(found.pid, signal.SIGINT)  # "fast": roll back, checkpoint, end
        _wait_until(
            lambda: not postmaster.alive(found.pid),
            STOP_TIMEOUT_S,
            f"PostgreSQL (pid {found.pid}) on {self.data_dir} does not stop; see {self._log}.",
        )
        if postmaster.is_temporary(found.socket_dir, self.pgdata):
            shutil.rmtree(found.socket_dir, ignore_errors=True)


def _environment() -> dict[str, str]:
    """What PostgreSQL inherits: nothing that could redirect it (PGDATA, PGPORT, …) and none of the caller's secrets."""
    return {"PATH": os.defpath, "LC_ALL": "C"}


def _wait_until(condition: Callable[[], bool], timeout_s: float, failure: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise Unavailable(failure)
        time.sleep(0.01)
