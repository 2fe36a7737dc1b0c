"""Run what a person would type, in the project's folder: the output goes to a log, the last JSON line comes back.

Each command runs in a process group of its own, so that Ctrl-C reaches it exactly once and it can tidy up before we go.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from deriva_ml_kit.errors import KitError

GRACE = 30.0  # seconds that an interrupted command gets to tidy up
# Ties to our own environment; and a dozen scripts, each importing deriva-ml, would otherwise compile it a dozen times.
_OURS = (
    *("VIRTUAL_ENV", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_PROJECT_DIR", "PYTHONPATH", "PYTHONHOME"),
    "PYTHONDONTWRITEBYTECODE",
)


@dataclass(frozen=True)
class Shell:
    """Runs commands in `folder`; standard output and error of all of them are appended to `log`, if there is one."""

    folder: Path
    log: Path | None = None

    def run(self, *command: str, codes: Collection[int] = (0,)) -> str:
        """Run a command and give its standard output.

        Args:
            command: The words of it.
            codes: Exit codes that are fine.

        Raises:
            KitError: it ended with another exit code; the message holds the end of what it said.
        """
        with self._opened() as log:
            log.write(f"\n$ {shlex.join(command)}\n")
            log.flush()
            before = log.tell()
            output, code = _run(command, self.folder, log)
            log.seek(before)
            errors = log.read()
            log.write(output)
        if code not in codes:
            remedy = f"The whole output is in {self.log}." if self.log else None
            raise KitError(_explain(command, output, code, errors), remedy=remedy)
        return output

    def _opened(self) -> IO[str]:
        if self.log is None:
            return tempfile.TemporaryFile("w+", encoding="utf-8")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        return self.log.open("a+", encoding="utf-8")

    def run_json(self, *command: str, codes: Collection[int] = (0,)) -> dict[str, Any]:
        """Run a command with `--json` and give the object on its last line."""
        output = self.run(*command, "--json", codes=codes)
        try:
            result = json.loads(output.strip().splitlines()[-1])
        except (IndexError, json.JSONDecodeError):
            raise KitError(f"{shlex.join(command)} printed no JSON.", remedy=f"See {self.log}.") from None
        return dict(result)


def _explain(command: Sequence[str], output: str, code: int, errors: str) -> str:
    """What failed, with the error that the command gave as JSON or the last lines that it wrote."""
    lines = output.strip().splitlines()
    try:
        error = json.loads(lines[-1])["error"]
        said = "\n".join(str(error[key]) for key in ("message", "remedy") if error.get(key))
    except (IndexError, json.JSONDecodeError, KeyError, TypeError):
        said = "\n".join([*errors.strip().splitlines(), *lines][-12:])
    return f"{shlex.join(command)}\nended with exit code {code}:\n{said}"


def _run(command: Sequence[str], folder: Path, log: IO[str]) -> tuple[str, int]:
    """Standard output and exit code; an interrupt is handed on once, then waited for."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.communicate(timeout=GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        raise
    return output, process.returncode


def environment() -> Mapping[str, str]:
    """Our environment variables without what ties a command to our own virtual environment, on the same interpreter."""
    env = {name: value for name, value in os.environ.items() if name not in _OURS}
    if sys.prefix != sys.base_prefix:
        own = os.path.normpath(Path(sys.prefix) / ("Scripts" if os.name == "nt" else "bin"))
        env["PATH"] = os.pathsep.join(p for p in env.get("PATH", "").split(os.pathsep) if os.path.normpath(p) != own)
    env.setdefault("UV_PYTHON", str(Path(sys._base_executable)))  # type: ignore[attr-defined]
    return env
