"""The database that a downloaded bag is read through.

Differs from the release: it lies beside its bag instead of in the working directory, where the paths of another cache
folder's files would be found in it; it is loaded once (see `loading`); and there may be several domain schemas.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from deriva.core.ermrest_model import Model, Table
from deriva_ml.core.definitions import ML_SCHEMA
from deriva_ml.core.exceptions import DerivaMLException
from deriva_ml.dataset.aux_classes import DatasetMinid, DatasetVersion
from deriva_ml.model.catalog import DerivaModel
from deriva_ml.model.database import DatabaseModel, DatabaseModelMeta
from sqlalchemy.ext.automap import automap_base

from deriva_ml_kit.mainline.bag.loading import load, quoted
from deriva_ml_kit.mainline.catalog.paths import NOT_DOMAIN, Link, LoopFreePaths, leads_down, ways_to
from deriva_ml_kit.mainline.catalog.rows import Row, batches
from deriva_ml_kit.mainline.catalog.tables import NamedTables
from deriva_ml_kit.mainline.feature.definition import FeatureLookup

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag

# Values that SQLite takes in one statement.
VALUES = 500


class _OneEach(DatabaseModelMeta):  # type: ignore[misc]  # the release is untyped
    """The release keeps every database that was ever opened; ours open fast and are let go."""

    __call__ = type.__call__


class BagDatabase(LoopFreePaths, NamedTables, FeatureLookup, DatabaseModel, metaclass=_OneEach):  # type: ignore[misc]
    """A bag in SQLite.

    Attributes:
        bag_path: Folder of the bag.
        dataset_rid: The dataset that the bag was made of.
        domain_schemas: Schemas of the project's own tables.
        bag_rids: Datasets in the bag, with their versions.
        engine: SQLAlchemy's connection to the databases.
        metadata: SQLAlchemy's description of the tables.
    """

    def __init__(self, minid: DatasetMinid, bag_path: Path) -> None:
        document = Model.fromfile("file-system", bag_path / "data/schema.json")
        self.domain_schemas = sorted(set(document.schemas) - NOT_DOMAIN - {ML_SCHEMA})
        # The release works with one of them; where a dataset has no members, any will do.
        DerivaModel.__init__(self, document, ML_SCHEMA, next(iter(self.domain_schemas), ML_SCHEMA))
        self.minid = minid
        self.bag_path = bag_path
        self.dataset_rid = minid.dataset_rid
        self.dataset_table = document.schemas[ML_SCHEMA].tables["Dataset"]
        self.dbase_path = load(bag_path, self.tables)
        self.engine = sa.create_engine(f"sqlite:///{self.dbase_path / 'main.db'}")
        sa.event.listen(self.engine, "connect", self._attach_schemas)
        self.metadata = sa.MetaData()
        for table in self.tables:
            self._describe(table)
        self.bag_rids = self._versions()

    @property
    def tables(self) -> list[Table]:
        """Tables of the domain schemas and of deriva-ml."""
        return [
            table
            for schema in (*self.domain_schemas, ML_SCHEMA)
            for table in self.model.schemas[schema].tables.values()
        ]

    @cached_property
    def snaptime(self) -> str:
        """Snapshot of the catalog that the bag was made of."""
        return str(json.loads((self.bag_path / "data/schema.json").read_text(encoding="utf-8"))["snaptime"])

    @cached_property
    def Base(self) -> Any:
        """SQLAlchemy's classes of the tables."""
        base = automap_base(metadata=self.metadata)
        base.prepare(
            name_for_scalar_relationship=lambda _base, _here, _there, key: f"{key.column_keys[0]}_rel",
            name_for_collection_relationship=lambda _base, _here, _there, key: f"{key.name}_collection",
        )
        return base

    @cached_property
    def nested(self) -> dict[str, list[str]]:
        """Dataset to the datasets in it, in the order of their RIDs."""
        found: dict[str, list[str]] = {}
        for parent, child in self.fetch(
            f"SELECT Dataset, Nested_Dataset FROM {quoted(ML_SCHEMA, 'Dataset_Dataset')} ORDER BY Nested_Dataset"
        ):
            found.setdefault(parent, []).append(child)
        return found

    def fetch(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows of an SQL statement."""
        with self.engine.connect() as connection:  # SQLAlchemy's own reading takes several times as long
            found: list[Any] = connection.connection.cursor().execute(statement, tuple(values)).fetchall()
            return found

    def json_rows(self, table: Table, where: str = "", values: Sequence[Any] = ()) -> Iterator[Row]:
        """Rows of a table as the catalog gives them as JSON, in the order of their RIDs."""
        names = [column.name for column in table.columns]
        kinds = {column.name: column.type.typename for column in table.columns}
        booleans = [name for name, kind in kinds.items() if kind == "boolean"]
        documents = [name for name, kind in kinds.items() if kind in {"json", "jsonb"} or kind.endswith("[]")]
        listed = ", ".join(map(quoted, names))
        into = quoted(table.schema.name, table.name)
        for found in self.fetch(f"SELECT {listed} FROM {into} {where} ORDER BY RID", values):
            row = dict(zip(names, found, strict=True))
            for name in booleans:
                row[name] = None if row[name] is None else bool(row[name])
            for name in documents:
                row[name] = None if row[name] is None else json.loads(row[name])
            yield row

    def json_rows_with(self, table: Table, column: str, wanted: Iterable[Any]) -> Iterator[Row]:
        """Rows of a table whose column has one of some values, as JSON."""
        for batch in batches(sorted(set(wanted)), VALUES):
            yield from self.json_rows(table, f"WHERE {quoted(column)} IN ({', '.join('?' * len(batch))})", batch)

    def rids_of(self, table: Table, datasets: Sequence[str], *, downwards: bool = False) -> str:
        """The SQL query for the RIDs of a table's rows to which a way leads from datasets.

        Args:
            table: The table.
            datasets: RIDs of datasets.
            downwards: Only members, and rows that refer to them, not what members refer to.
        """
        listed = ", ".join(f"'{rid}'" for rid in datasets)
        queries = []
        for way in ways_to(self, table):
            if not downwards or leads_down(way):
                joins = "".join(_join(number, link) for number, link in enumerate(way, start=1))
                start = f"{quoted(ML_SCHEMA, 'Dataset')} t0{joins}"
                queries.append(f"SELECT t{len(way)}.RID FROM {start} WHERE t0.RID IN ({listed})")
        return " UNION ".join(queries) or "SELECT NULL WHERE FALSE"

    def get_dataset(self, dataset_rid: str | None = None) -> DatasetBag:
        """A dataset of the bag; the one it was made of where not given."""
        from deriva_ml_kit.mainline.bag.dataset_bag import DatasetBag  # noqa: PLC0415  (it reads through this class)

        return DatasetBag(self, dataset_rid)

    def dataset_version(self, dataset_rid: str | None = None) -> DatasetVersion:
        """The version of a dataset in the bag."""
        rid = dataset_rid or self.dataset_rid
        if rid not in self.bag_rids:
            raise DerivaMLException(
                f"The bag {self.bag_path} holds no dataset {rid}; it holds {', '.join(self.bag_rids)}."
            )
        return self.bag_rids[rid]

    def rid_lookup(self, dataset_rid: str) -> list[tuple[DatasetVersion, BagDatabase]]:
        """A dataset's version in this bag, with this bag."""
        return [(self.dataset_version(dataset_rid), self)]

    def delete_database(self) -> None:
        """Let the databases go; the next one who opens the bag loads it again."""
        self.engine.dispose()
        for file in self.dbase_path.iterdir():
            file.unlink()

    def _attach_schemas(self, dbapi_conn: Any, _record: Any) -> None:
        for schema in (*self.domain_schemas, ML_SCHEMA):
            path = str(self.dbase_path / f"{schema}.db")
            dbapi_conn.execute("ATTACH DATABASE ? AS " + quoted(schema), [path])

    def _describe(self, table: Table) -> None:
        columns: list[Any] = [
            sa.Column(column.name, self._sql_type(column.type), primary_key=column.name == "RID")
            for column in table.columns
        ]
        keys = [
            sa.ForeignKeyConstraint(
                [column.name for column in key.foreign_key_columns],
                [f"{key.pk_table.schema.name}.{key.pk_table.name}.{column.name}" for column in key.referenced_columns],
                name=key.name[1],
            )
            for key in table.foreign_keys
            if key.pk_table.schema.name in {*self.domain_schemas, ML_SCHEMA}
        ]
        unique = [
            sa.UniqueConstraint(*(column.name for column in key.unique_columns), name=key.name[1]) for key in table.keys
        ]
        sa.Table(table.name, self.metadata, *columns, *keys, *unique, schema=table.schema.name)

    @staticmethod
    def _sql_type(type: Any) -> Any:
        return sa.JSON if type.typename.endswith("[]") else DatabaseModel._sql_type(type)

    def _versions(self) -> dict[str, DatasetVersion]:
        table = quoted(ML_SCHEMA, "Dataset_Version")
        found: dict[str, DatasetVersion] = {}
        for rid, text in self.fetch(f"SELECT Dataset, Version FROM {table}"):
            version = DatasetVersion.parse(text)
            found[rid] = max(found.get(rid, version), version)
        return found


def _join(number: int, link: Link) -> str:
    same = " AND ".join(f"t{number}.{quoted(there)} = t{number - 1}.{quoted(here)}" for here, there in link.columns)
    return f" JOIN {quoted(link.table.schema.name, link.table.name)} t{number} ON {same}"


def open_bag(minid: DatasetMinid, bag_path: Path) -> DatasetBag:
    """The dataset of a bag on this disk."""
    return BagDatabase(minid, bag_path).get_dataset()
