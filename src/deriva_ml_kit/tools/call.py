"""What a tool is given beside its arguments."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.tools.connections import CONNECTIONS, Connection, Connections
from deriva_ml_kit.tools.failure import Code, ToolError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

Report = Callable[[float, float | None, str], None]


def _silent(done: float, total: float | None, message: str) -> None:
    """Nobody wants to know."""


@dataclass
class Call:
    """One call of a tool.

    Attributes:
        tool: Name of the tool.
        project: Folder of the project that the agent works in.
        hostname: Host of the catalog; empty for tools that need none.
        catalog_id: The catalog on it.
        report: Takes how much is done, of how much, and a sentence.
        stop: Set when the caller has lost interest, or the time is over.
        why_stopped: Which of the two.
    """

    tool: str
    project: Path
    hostname: str = ""
    catalog_id: str = ""
    report: Report = _silent
    stop: threading.Event = field(default_factory=threading.Event)
    why_stopped: Code = Code.CANCELLED
    connections: Connections = CONNECTIONS
    _connection: Connection | None = None

    @property
    def ml(self) -> DerivaML:
        """The catalog, connected when first asked for, and this call's alone until it ends.

        Raises:
            DerivaMLConfigurationError: Nothing answers there, or it is no DerivaML catalog.
            DerivaMLAuthenticationError: Nobody is logged in.
        """
        if self._connection is None:
            self._connection = self.connections.take(self.hostname, self.catalog_id)
        return self._connection.ml

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Say how far the work is; ends it if nobody waits for it any more.

        Raises:
            ToolError: The call was cancelled, or its time is over.
        """
        self.check()
        self.report(done, total, message)

    def check(self) -> None:
        """End the work if nobody waits for it any more. Call it between steps, never between a write and its record.

        Raises:
            ToolError: The call was cancelled, or its time is over.
        """
        if self.stop.is_set():
            raise ToolError(self.why_stopped, f"{self.tool} was ended before it was done.")

    def close(self, *, sound: bool = True) -> None:
        """Give the connection back; one with which something failed is not used again."""
        connection, self._connection = self._connection, None
        if connection is not None and sound:
            self.connections.give_back(connection)

    def example(self, tool: str, **arguments: Any) -> str:
        """A call of another tool on the same catalog, as it is written."""
        where = {"hostname": self.hostname, "catalog_id": self.catalog_id} if self.hostname else {}
        return f"{tool}({', '.join(f'{name}={_quoted(value)}' for name, value in {**where, **arguments}.items())})"


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
