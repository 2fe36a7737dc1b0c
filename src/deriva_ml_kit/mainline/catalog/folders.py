"""Where the library keeps things on this disk, for programs that must know it without a connection."""

from __future__ import annotations

from pathlib import Path

from deriva_ml.core.config import DerivaMLConfig

from deriva_ml_kit.mainline.ml import _default_working_dir


def default_cache_dir(hostname: str, catalog_id: str | int) -> Path:
    """Return the folder of downloaded bags of a ``DerivaML`` that was told neither cache_dir nor working_dir."""
    return Path(DerivaMLConfig.compute_workdir(_default_working_dir(hostname, catalog_id))) / "cache"
