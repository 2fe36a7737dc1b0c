"""Hyperparameters from a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from deriva_ml_kit.errors import UsageError


def read_config(path: Path | None) -> dict[str, Any]:
    """Return the values of a TOML file; empty without one.

    Raises:
        UsageError: There is no such file, or it is not TOML; names the line.
    """
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", remedy="Give the path of a TOML file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", remedy="Write one 'name = value' a line.") from None
