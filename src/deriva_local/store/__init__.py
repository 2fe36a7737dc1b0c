"""The only holder of database connections: catalogs with their history, and the service's own database."""

from __future__ import annotations

from deriva_local.store.catalog import Catalog, Reading, Writing
from deriva_local.store.clients import Author
from deriva_local.store.registry import CatalogRecord, Store
from deriva_local.store.service import ServiceDatabase
from deriva_local.store.truncation import truncate

__all__ = ["Author", "Catalog", "CatalogRecord", "Reading", "ServiceDatabase", "Store", "Writing", "truncate"]
