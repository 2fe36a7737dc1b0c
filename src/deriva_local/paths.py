"""Where a data directory keeps what."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DATA_DIR_VARIABLE = "DERIVA_LOCAL_DATA_DIR"
# Of the running server: which catalogs it has.
STATUS_URL_PATH = "/deriva-local/status"


@dataclass(frozen=True)
class Paths:
    """The files of one data directory. PostgreSQL's own are the business of `pg`, certificates that of `tls`."""

    data_dir: Path

    @classmethod
    def of(cls, data_dir: str | os.PathLike[str] | None) -> Paths:
        """The data directory that was asked for; else the environment's; else the user's own."""
        chosen = data_dir or os.environ.get(DATA_DIR_VARIABLE) or _default()
        return cls(Path(chosen).expanduser().absolute())

    @property
    def config(self) -> Path:
        """What later starts have to know: the port, and the DSN of an external PostgreSQL."""
        return self.data_dir / "config.json"

    @property
    def lock(self) -> Path:
        """Held by the server as long as it lives."""
        return self.data_dir / "server.lock"

    @property
    def start_lock(self) -> Path:
        """Held while a server is being started."""
        return self.data_dir / "start.lock"

    @property
    def state(self) -> Path:
        """What the running server is: pid, port."""
        return self.data_dir / "server.json"

    @property
    def log(self) -> Path:
        """What the server has to say."""
        return self.data_dir / "logs" / "server.log"

    @property
    def tls(self) -> Path:
        """Certificates and keys."""
        return self.data_dir / "tls"

    @property
    def accounts(self) -> Path:
        """Users and sessions."""
        return self.data_dir / "accounts.sqlite"

    @property
    def objects(self) -> Path:
        """Contents of the object store."""
        return self.data_dir / "objects"

    @property
    def exports(self) -> Path:
        """Results of exports, until they expire."""
        return self.data_dir / "exports"

    def removable(self) -> list[Path]:
        """All that `reset` deletes besides PostgreSQL's files: our own, by name, and nothing else."""
        logs, locks = self.data_dir / "logs", [self.lock, self.start_lock, self.data_dir / "postgres.lock"]
        return [self.state, self.tls, self.accounts, self.objects, self.exports, logs, self.config, *locks]


def _default() -> str:
    import platformdirs  # noqa: PLC0415  (seldom needed)

    return platformdirs.user_data_dir("deriva-local", appauthor=False)
