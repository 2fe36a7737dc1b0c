"""ERMrest's data API: entity, attribute, attributegroup, aggregate.

In goes a `DataCall` (method, raw path and query string, headers, body), out comes a `DataAnswer` (status, headers,
body in chunks). The stages are apart: `request` (text to syntax tree), `plan` (tree and model to resolved tree),
`sql` (resolved tree to SQL as a value), `write` (the changing methods) and `render` (results to bytes); only
`service` touches the store.
"""

from __future__ import annotations

from deriva_local.ermrest.data.call import DataAnswer, DataCall
from deriva_local.ermrest.data.service import handle

__all__ = ["DataAnswer", "DataCall", "handle"]
