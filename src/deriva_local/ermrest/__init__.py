"""ERMrest's REST API over the store: catalogs, their model, their rows, their history."""

from __future__ import annotations

from deriva_local.ermrest.service import Request, handle

__all__ = ["Request", "handle"]
