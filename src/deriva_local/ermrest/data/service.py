"""Runs a data request against the store: the one stage here that does I/O."""

from __future__ import annotations

from deriva_local.errors import MethodNotAllowed
from deriva_local.ermrest.data.call import DataAnswer, DataCall


def handle(call: DataCall) -> DataAnswer:
    """Answer one request to a data resource."""
    raise MethodNotAllowed(f"{call.method} is not answered here.")
