"""Shared by all tests: a HOME of its own for the whole run, set before anything of `deriva` is imported.

`deriva` and `bdbag` work out their folders from HOME when they are imported, so a fixture would come too late.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

TRUST_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")

REAL_HOME = Path.home()
SCRATCH = Path(tempfile.mkdtemp(prefix="deriva-ml-kit-tests-"))


def _isolate() -> None:
    home = SCRATCH / "home"
    home.mkdir()
    os.environ["HOME"] = str(home)
    os.environ["DERIVA_LOCAL_DATA_DIR"] = str(SCRATCH / "local")
    for name in [name for name in os.environ if name.startswith("XDG_")] + list(TRUST_VARIABLES):
        os.environ.pop(name, None)


_isolate()


def pytest_sessionfinish() -> None:
    """Nothing of a run stays behind."""
    shutil.rmtree(SCRATCH, ignore_errors=True)


@pytest.fixture(scope="session")
def real_home() -> Path:
    """The HOME of whoever runs the tests: to show that it is left alone."""
    return REAL_HOME
