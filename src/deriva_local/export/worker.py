"""The program that runs the export engine: one job per line on standard input, one answer per line on standard output.

In: `{"config", "authority", "token", "client", "folder", "log", "timeout_s"}`. Out: `{}` when the files lie in
`folder`, else `{"status", "message"}`.

It is a process of its own since the engine is made for programs: bagit changes the working directory while it makes a
bag, both libraries keep settings in HOME, and loading them takes about a second. Standard output is kept for
the answers; whatever the libraries print goes to standard error. The program ends when its standard input does, so
it never outlives the host.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any, TextIO

import requests
from deriva.core import DEFAULT_SESSION_CONFIG
from deriva.transfer.download import (
    DerivaDownloadAuthenticationError,
    DerivaDownloadAuthorizationError,
    DerivaDownloadConfigurationError,
    DerivaDownloadTimeoutError,
)
from deriva.transfer.download.deriva_download import GenericDownloader
from deriva.transfer.download.processors.base_processor import BaseProcessor

LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"
STATUSES: dict[type[Exception], int] = {
    DerivaDownloadConfigurationError: 400,
    DerivaDownloadAuthenticationError: 401,
    DerivaDownloadAuthorizationError: 403,
    DerivaDownloadTimeoutError: 503,
}
SESSION = DEFAULT_SESSION_CONFIG | {"bypass_cert_verify_host_list": [], "retry_backoff_factor": 0.1}


def main() -> None:
    """Answer jobs until standard input ends."""
    answers = _own_standard_output()
    _confine_paths()
    for line in sys.stdin:
        answer = _run(json.loads(line))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _own_standard_output() -> TextIO:
    """Keep standard output for us, and give whoever prints standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _confine_paths() -> None:
    """Refuse paths outside of the result: all of the engine's processors build theirs with this one function."""
    create_paths = BaseProcessor.create_paths

    def confined(base_path: str, *args: Any, **kwargs: Any) -> tuple[str, str]:
        relative, absolute = create_paths(base_path, *args, **kwargs)
        if not Path(absolute).resolve().is_relative_to(Path(base_path).resolve()):
            raise DerivaDownloadConfigurationError(f"the path {relative!r} leads out of the result")
        return relative, absolute

    BaseProcessor.create_paths = staticmethod(confined)


def _run(job: dict[str, Any]) -> dict[str, Any]:
    log = logging.FileHandler(job["log"], encoding="utf-8")
    log.setFormatter(logging.Formatter(LOG_FORMAT))
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(log)
    try:
        _download(job)
        return {}
    except Exception as error:
        logging.exception("the export failed")
        return {"status": _status(error), "message": str(error) or type(error).__name__}
    finally:
        root.removeHandler(log)
        log.close()


def _download(job: dict[str, Any]) -> None:
    config = job["config"]
    engine = GenericDownloader(
        {
            "host": job["authority"],
            "protocol": "https",
            "catalog_id": str(config["catalog"]["catalog_id"]),
            "session": SESSION,
        },
        output_dir=job["folder"],
        config=config,
        credentials={"bearer-token": job["token"]},
        timeout=job["timeout_s"],
    )
    engine.download(identity=job["client"])


def _status(error: BaseException) -> int:
    """Whose fault it is: the answer that a query got tells, however deep it lies under the engine's own error."""
    for kind, status in STATUSES.items():
        if isinstance(error, kind):
            return status
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, requests.HTTPError) and cause.response is not None:
            return 400 if 400 <= cause.response.status_code < 500 else 500
        if isinstance(cause, KeyError):  # a {name} in a template that nothing has set
            return 400
        cause = cause.__cause__ or cause.__context__
    return 500


if __name__ == "__main__":
    main()
