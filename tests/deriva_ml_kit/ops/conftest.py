"""A hospital of each file's own, prepared for operations."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="module")
def hospital(local_host: Any) -> Any:
    """See `tests/support/hospital.py`: this file alone writes to it."""
    from hospital import hospital  # noqa: PLC0415  (reads HOME)

    return hospital(local_host.hostname)
