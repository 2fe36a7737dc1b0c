"""A model to plan against, and a catalog of it in the real PostgreSQL."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg import sql

from deriva_local.auth.client import Client
from deriva_local.ermrest.data import DataAnswer, DataCall, handle
from deriva_local.model import Column, ForeignKey, Key, Model, Schema, Table, types
from deriva_local.model.initial import initial_model, system_columns
from deriva_local.store import Catalog, Store

CLIENT = Client("me", "Me", "Me Myself", "me@example.org", ("me",))


class ModelBuilder:
    """Adds tables to schema S of a model."""

    def __init__(self, start: Model) -> None:
        self._start = start
        self._ids = itertools.count(start.next_id)
        self.tables: dict[str, Table] = {}

    def table(
        self,
        name: str,
        columns: dict[str, str],
        *,
        keys: list[tuple[str, ...]] | None = None,
        links: list[tuple[tuple[str, ...], str, tuple[str, ...]]] | None = None,
        defaults: dict[str, Any] | None = None,
    ) -> Table:
        """A `!` behind a type means NOT NULL."""
        table_id = next(self._ids)
        own = [
            Column(
                next(self._ids),
                column,
                types.named(kind.rstrip("!")),
                not kind.endswith("!"),
                (defaults or {}).get(column),
            )
            for column, kind in columns.items()
        ]
        table = Table(table_id, "S", name, (*system_columns(), *own))
        made = [
            Key(next(self._ids), ("S", "_".join((name, *key, "key"))), tuple(table.column(c).id for c in key))
            for key in [("RID",), *(keys or [])]
        ]
        table = dataclasses.replace(table, keys=tuple(made))
        self.tables[name] = table
        fkeys = [
            ForeignKey(
                next(self._ids),
                ("S", f"{name}_{'_'.join(near)}_fkey"),
                tuple(table.column(c).id for c in near),
                self.tables[other].id,
                tuple(self.tables[other].column(c).id for c in far),
            )
            for near, other, far in links or []
        ]
        self.tables[name] = dataclasses.replace(table, foreign_keys=tuple(fkeys))
        return self.tables[name]

    def model(self) -> Model:
        schemas = {**self._start.schemas, "S": Schema("S", tables=self.tables)}
        return dataclasses.replace(self._start, schemas=schemas, next_id=next(self._ids))


def build_model() -> Model:
    builder = ModelBuilder(initial_model([CLIENT.id]))
    builder.table("Species", {"Name": "text!"}, keys=[("Name",)])
    builder.table(
        "Subject",
        {"Name": "text!", "Age": "int4", "Species": "text"},
        keys=[("Name",)],
        links=[(("Species",), "Species", ("Name",))],
    )
    builder.table(
        "Image",
        {
            "Filename": "text",
            "Subject": "text",
            "Reviewer": "text",
            "Size": "int8",
            "Info": "jsonb",
            "Labels": "text[]",
        },
        links=[(("Subject",), "Subject", ("RID",))],
    )
    builder.table(
        "Pair",
        {"First": "text", "Second": "text"},
        links=[(("First",), "Subject", ("Name",)), (("Second",), "Subject", ("Name",))],
    )
    builder.table("Term", {"ID": "ermrest_curie!", "Name": "text!"}, keys=[("ID",)], defaults={"ID": "s:{RID}"})
    builder.table(
        "Every",
        {
            "serial": "serial4!", "bool": "boolean", "i2": "int2", "i8": "int8", "f8": "float8", "num": "numeric",
            "date": "date", "ts": "timestamp", "tz": "timestamptz", "json": "json", "jsonb": "jsonb", "uuid": "uuid",
            "ints": "int4[]", "texts": "text[]", "odd /:;,=@&()!*$%\"'\\ name ü": "text",
        },
        keys=[("serial",)],
        defaults={"bool": True, "i2": 7},
    )  # fmt: skip
    return builder.model()


@pytest.fixture(scope="session")
def model() -> Model:
    return build_model()


@pytest.fixture(scope="session")
def shared_catalog(new_database: Callable[[], str], model: Model) -> Iterator[Catalog]:
    """One catalog of the model above for the whole run."""
    store = Store(new_database())
    catalog = store.catalog(store.create([CLIENT.id], CLIENT).id)
    with catalog.writing(CLIENT) as writing:
        writing.replace_model(model)
    yield catalog
    store.close()


@pytest.fixture
def catalog(shared_catalog: Catalog, model: Model) -> Catalog:
    """The catalog without rows; emptying it takes a tenth of the time of making a new one."""
    tables = [
        sql.Identifier(schema, table.physical) for table in model.tables_by_id.values() for schema in ("data", "past")
    ]
    with shared_catalog.writing(CLIENT) as writing:
        writing.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(tables)))
    return shared_catalog


class Api:
    """Requests to a catalog, as `api.get("entity/S:Subject")`."""

    def __init__(self, catalog: Catalog, client: Client | None = CLIENT) -> None:
        self.catalog = catalog
        self.client = client

    def anonymous(self) -> Api:
        return Api(self.catalog, None)

    def open(self, method: str, address: str, body: bytes = b"", snap: int | None = None, **headers: str) -> DataAnswer:
        path, _, query = address.partition("?")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return handle(DataCall(method, path, query, named, iter([body]), self.catalog, snap, self.client))

    def call(
        self, method: str, address: str, body: bytes = b"", snap: int | None = None, **headers: str
    ) -> tuple[DataAnswer, bytes]:
        answer = self.open(method, address, body, snap, **headers)
        return answer, b"".join(answer.body)

    def get(self, address: str, snap: int | None = None) -> Any:
        return json.loads(self.call("GET", address, snap=snap)[1])

    def csv(self, address: str) -> str:
        return self.call("GET", address, accept="text/csv")[1].decode()

    def post(self, address: str, rows: Any) -> Any:
        return json.loads(self.call("POST", address, json.dumps(rows).encode())[1])

    def put(self, address: str, rows: Any) -> Any:
        return json.loads(self.call("PUT", address, json.dumps(rows).encode())[1])

    def delete(self, address: str) -> int:
        return self.call("DELETE", address)[0].status


@pytest.fixture
def api(catalog: Catalog) -> Api:
    """The catalog as its owner."""
    return Api(catalog)


@pytest.fixture
def other(catalog: Catalog) -> Api:
    """The catalog as somebody whom no ACL names."""
    return Api(catalog, Client("other", "Other", "Other One", "other@example.org", ("other",)))
