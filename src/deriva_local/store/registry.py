"""Which catalogs exist: creates, opens and deletes them, one PostgreSQL database each.

A new catalog is a copy of a template database that is made once per version of the layout; so it takes a fraction of a
second. Ids are decimal numbers given in turn, or names that a client asked for; aliases are further names of a catalog.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from threading import Lock
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from deriva_local.errors import BadRequest, Conflict, NotFound
from deriva_local.model.initial import initial_model
from deriva_local.store import layout
from deriva_local.store.catalog import Catalog
from deriva_local.store.clients import Author
from deriva_local.store.service import ServiceDatabase

SERVICE_DATABASE = "deriva_local"
_ID = re.compile(r"[-0-9A-Za-z._~]{1,128}")
_TABLES = """
CREATE SCHEMA IF NOT EXISTS registry;
CREATE SEQUENCE IF NOT EXISTS registry.catalog_number;
CREATE TABLE IF NOT EXISTS registry.catalog (
    id text PRIMARY KEY,
    database text UNIQUE,
    alias_target text,
    owner jsonb NOT NULL,
    name text,
    description text,
    is_persistent boolean NOT NULL DEFAULT true,
    clone_source text,
    created_on timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_on timestamptz
);
"""
_COLUMNS = "id, database, alias_target, owner, name, description, is_persistent, clone_source"


@dataclass(frozen=True)
class CatalogRecord:
    """A registry entry: a catalog if `database` is set, an alias otherwise."""

    id: str
    database: str | None
    alias_target: str | None
    owner: list[str]
    name: str | None = None
    description: str | None = None
    is_persistent: bool = True
    clone_source: str | None = None

    @property
    def is_alias(self) -> bool:
        """Whether it is only another name."""
        return self.database is None


class Store:
    """All catalogs of one PostgreSQL server, and the service's own database (`store.service`)."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._catalogs: dict[str, Catalog] = {}
        self._records: dict[str, CatalogRecord] = {}
        self._lock = Lock()
        _ensure_database(dsn, SERVICE_DATABASE)
        self.service = ServiceDatabase(make_conninfo(dsn, dbname=SERVICE_DATABASE))
        self.service.prepare(_TABLES)
        self._template = _ensure_template(dsn)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            catalogs, self._catalogs = list(self._catalogs.values()), {}
        for catalog in catalogs:
            catalog.close()
        self.service.close()

    def create(self, owner: list[str], client: Author | None, **fields: Any) -> CatalogRecord:
        """A new catalog owned by `owner` (client or group ids).

        `fields` may hold id, name, description, is_persistent, clone_source.

        Raises:
            Conflict: the id is in use.
        """
        record = self._enter(owner, alias=False, **fields)
        assert record.database is not None
        try:
            self._copy_template(record.database)
            self._begin(record, client)
        except BaseException:
            self._forget(record)
            raise
        return record

    def create_alias(self, owner: list[str], target: str | None, **fields: Any) -> CatalogRecord:
        """A further name for a catalog; without a target it is reserved for later."""
        return self._enter(owner, alias=True, alias_target=self._target(target), **fields)

    def update_alias(self, alias_id: str, owner: list[str] | None = None, **changed: Any) -> CatalogRecord:
        """Give an alias other owners or another target (`alias_target`, None to unbind)."""
        record = self.alias(alias_id)
        target = self._target(changed["alias_target"]) if "alias_target" in changed else record.alias_target
        with self.service.transaction() as connection:
            connection.execute(
                "UPDATE registry.catalog SET owner = %s, alias_target = %s WHERE id = %s",
                (Jsonb(owner or record.owner), target, alias_id),
            )
        self._drop_cached(alias_id)
        return self.record(alias_id)

    def records(self) -> list[CatalogRecord]:
        """All catalogs and aliases, oldest first."""
        with self.service.transaction() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM registry.catalog WHERE deleted_on IS NULL ORDER BY created_on"
            ).fetchall()
        return [CatalogRecord(*row) for row in rows]

    def record(self, catalog_id: str) -> CatalogRecord:
        """The entry of this id, catalog or alias; `NotFound` if there is none."""
        with self._lock:
            if catalog_id in self._records:
                return self._records[catalog_id]
        row = None
        if _ID.fullmatch(catalog_id):
            with self.service.transaction() as connection:
                row = connection.execute(
                    f"SELECT {_COLUMNS} FROM registry.catalog WHERE id = %s AND deleted_on IS NULL", (catalog_id,)
                ).fetchone()
        if row is None:
            raise NotFound(f"There is no catalog {catalog_id!r} on this host.")
        record = CatalogRecord(*row)
        with self._lock:
            self._records[catalog_id] = record
        return record

    def alias(self, alias_id: str) -> CatalogRecord:
        """The alias of this id; `NotFound` if there is none."""
        record = self.record(alias_id)
        if not record.is_alias:
            raise NotFound(f"{alias_id!r} is no alias but a catalog.")
        return record

    def catalog(self, catalog_id: str) -> Catalog:
        """The catalog of this id or alias, opened at the first use; `NotFound` if there is none."""
        record = self.record(catalog_id)
        if record.is_alias:
            if record.alias_target is None:
                raise NotFound(f"The alias {catalog_id!r} is not bound to a catalog.")
            record = self.record(record.alias_target)
        assert record.database is not None
        with self._lock:
            if record.id not in self._catalogs:
                self._catalogs[record.id] = Catalog(record.id, make_conninfo(self._dsn, dbname=record.database))
            return self._catalogs[record.id]

    def delete(self, catalog_id: str) -> None:
        """Delete a catalog with its data (aliases become unbound), or an alias alone."""
        record = self.record(catalog_id)
        with self._lock:
            catalog = self._catalogs.pop(record.id, None)
            self._records.clear()
        if catalog is not None:
            catalog.close()
        with self.service.transaction() as connection:
            if record.is_alias:
                connection.execute("DELETE FROM registry.catalog WHERE id = %s", (record.id,))
            else:
                connection.execute(
                    "UPDATE registry.catalog SET alias_target = NULL WHERE alias_target = %s", (record.id,)
                )
                connection.execute("UPDATE registry.catalog SET deleted_on = now() WHERE id = %s", (record.id,))
        if record.database is not None:
            self._drop_database(record.database)

    def _enter(self, owner: list[str], alias: bool, **fields: Any) -> CatalogRecord:
        """Write the registry entry; the id is the next number unless one was asked for."""
        asked = fields.pop("id", None)
        if asked is not None and not _ID.fullmatch(asked):
            raise BadRequest(f"{asked!r} cannot be a catalog id; letters, digits and - . _ ~ can be used.")
        with self.service.transaction() as connection:
            new_id = asked if asked is not None else _next_id(connection)
            values = {"id": new_id, "owner": Jsonb(owner), "database": None if alias else f"catalog_{new_id}", **fields}
            columns = sql.SQL(", ").join(map(sql.Identifier, values))
            places = sql.SQL(", ").join([sql.Placeholder()] * len(values))
            row = connection.execute(
                sql.SQL("INSERT INTO registry.catalog ({}) VALUES ({}) ON CONFLICT DO NOTHING RETURNING {}").format(
                    columns, places, sql.SQL(_COLUMNS)
                ),
                list(values.values()),
            ).fetchone()
        if row is None:
            raise Conflict(f"The catalog id {new_id!r} is, or was, in use; ask for another one or for none.")
        return CatalogRecord(*row)

    def _target(self, target: str | None) -> str | None:
        """The id of the catalog that an alias is to name."""
        if target is not None and self.record(target).is_alias:
            raise Conflict(f"{target!r} is an alias itself; name the catalog.")
        return target

    def _copy_template(self, database: str) -> None:
        names = sql.Identifier(database), sql.Identifier(self._template)
        self.service.alone(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))

    def _begin(self, record: CatalogRecord, client: Author | None) -> None:
        """The first snapshot: the initial model, with the owner."""
        catalog = self.catalog(record.id)
        catalog.begin(initial_model(record.owner), client)

    def _forget(self, record: CatalogRecord) -> None:
        """Undo a creation that failed."""
        self._drop_cached(record.id)
        with self.service.transaction() as connection:
            connection.execute("DELETE FROM registry.catalog WHERE id = %s", (record.id,))
        if record.database is not None:
            self._drop_database(record.database)

    def _drop_cached(self, catalog_id: str) -> None:
        with self._lock:
            catalog = self._catalogs.pop(catalog_id, None)
            self._records.pop(catalog_id, None)
        if catalog is not None:
            catalog.close()

    def _drop_database(self, database: str) -> None:
        self.service.alone(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


def _next_id(connection: psycopg.Connection) -> str:
    """The next number that nobody has asked for by name."""
    while True:
        row = connection.execute(
            "SELECT n::text, EXISTS (SELECT FROM registry.catalog WHERE id = n::text)"
            " FROM nextval('registry.catalog_number') AS n"
        ).fetchone()
        assert row is not None
        if not row[1]:
            return str(row[0])


def _ensure_database(dsn: str, name: str) -> None:
    with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as connection:
        _create_database(connection, name)


def _create_database(connection: psycopg.Connection, name: str) -> bool:
    """Create a database unless it is there; whether it was created."""
    found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
    if found is not None:
        return False
    # Sorting by code point; case folding as the server has it: not every system knows a locale C.UTF-8.
    statement = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C'"
    try:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
    except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):  # another process was faster
        return False
    return True


def _ensure_template(dsn: str) -> str:
    """The name of the template database of this layout, made if it is not there yet.

    It is built under another name first, so that a process killed meanwhile leaves no half-made template.
    """
    name = f"deriva_template_{layout.fingerprint()}"
    draft = f"{name}_draft"
    with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(draft)))
            _create_database(connection, draft)
            with psycopg.connect(make_conninfo(dsn, dbname=draft)) as making:
                layout.create(making)
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(draft), sql.Identifier(name))
            )
    return name
