"""Model resources: the catalog's schemas, tables, columns, keys, foreign keys, and what is attached to them.

Stages: `address` (path to value), `definitions` (documents to values), `create`, `alter`, `attach` (a model to the next
one, all pure), and `service`, which alone touches the store.
"""

from __future__ import annotations

from deriva_local.ermrest.schema.service import handle

__all__ = ["handle"]
