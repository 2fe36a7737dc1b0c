"""The walk over the schema that decides which rows go into a dataset's bag, and which rows a dataset can tell about.

Differs from the release: a way ends where it comes back to a table that it has passed (the release fails, as it does
where two features of one table have their values in the same asset table); where two foreign keys link two tables, each
is followed (the release fails); all domain schemas are walked, not one; and ways lead on to the executions of features
and datasets, and to their workflows, where they end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from deriva.core import urlquote
from deriva.core.ermrest_model import ForeignKey, Table
from deriva_ml.core.base import DerivaML as ReleasedDerivaML
from deriva_ml.model.catalog import DerivaModel

from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import table_name

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

NOT_DOMAIN = frozenset({"public", "www", "WWW"})
# From here a way leads on to these only: anything else would lead to all other datasets and executions.
LEADS_TO = {
    "Dataset_Execution": frozenset({"Execution"}),
    "Execution": frozenset({"Workflow"}),
    "Workflow": frozenset({"Workflow_Workflow_Type"}),
    "Workflow_Workflow_Type": frozenset({"Workflow_Type"}),
}
Path = Sequence[Table]


@dataclass(frozen=True)
class Link:
    """A step from one table to the next.

    Attributes:
        key: The foreign key that is followed.
        up: From the table that refers to the one that is referred to; several rows lead to one.
    """

    key: ForeignKey
    up: bool

    @property
    def table(self) -> Table:
        """Where the step leads."""
        return self.key.pk_table if self.up else self.key.table

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Columns of the table before, each with the column of the table after that has the same value."""
        pairs = zip(self.key.foreign_key_columns, self.key.referenced_columns, strict=True)
        return [(a.name, b.name) if self.up else (b.name, a.name) for a, b in pairs]

    @property
    def path(self) -> str:
        """The step in a request path, with the columns."""
        here, there = (",".join(urlquote(name, "") for name in names) for names in zip(*self.columns, strict=True))
        return f"({here})=({table_name(self.table.schema.name, self.table.name)}:{there})"


def domain_schemas(model: DerivaModel) -> set[str]:
    """Schemas that hold a project's own tables."""
    return set(model.model.schemas) - NOT_DOMAIN - {model.ml_schema}


def links(here: Table, there: Table) -> list[Link]:
    """Every foreign key between two tables, as a step from the first to the second."""
    found = [Link(key, True) for key in here.foreign_keys if key.pk_table is there]
    found += [Link(key, False) for key in there.foreign_keys if key.pk_table is here]
    names = (here.name, there.name)
    if names in {("Dataset", "Dataset_Version"), ("Dataset", "Dataset_Dataset")}:
        return [link for link in found if link.columns == [("RID", "Dataset")]]
    if names == ("Dataset_Dataset", "Dataset"):
        return [link for link in found if link.columns == [("Nested_Dataset", "RID")]]
    return found


def ways(path: Path) -> Iterator[tuple[Link, ...]]:
    """The steps of a path; as many times as there are combinations of foreign keys."""
    return product(*(links(here, there) for here, there in pairwise(path)))


def leads_down(way: Sequence[Link]) -> bool:
    """Whether a way from Dataset ends at members, or at rows that refer to them, not at what members refer to."""
    if not way:
        return False
    members = 2 if way[0].table.is_association() else 1
    return len(way) >= members and not any(link.up for link in way[members:])


def ways_to(model: DerivaModel, table: Table) -> Iterator[tuple[Link, ...]]:
    """Every way from Dataset to a table."""
    for path in model._schema_to_paths():
        if path[-1] is table:
            yield from ways(path)


class LoopFreePaths:
    """Mixed into a model of the release: paths from Dataset along foreign keys, in which no table comes twice."""

    def _schema_to_paths(
        self: DerivaModel, root: Table | None = None, path: list[Table] | None = None
    ) -> list[list[Table]]:
        dataset = self.model.schemas[self.ml_schema].tables["Dataset"]
        here = root or dataset
        way = [*(path or []), here]
        paths = [way]
        if self.is_vocabulary(here):  # terms are not followed back to where they are used
            return paths
        of_datasets = {association.table for association in dataset.find_associations()}
        for table in neighbours(self, here):
            to_other_datasets = table in of_datasets and here is not dataset
            if table not in way and not to_other_datasets:
                paths += self._schema_to_paths(table, way)
        return paths


def neighbours(model: DerivaModel, here: Table) -> list[Table]:
    """Tables of the domain and of deriva-ml to which a way leads on from `here`."""
    linked = [key.pk_table for key in here.foreign_keys] + [key.table for key in here.referenced_by]
    walked = {*domain_schemas(model), model.ml_schema}
    near = [table for table in dict.fromkeys(linked) if table.schema.name in walked]
    return [table for table in near if _may_lead(model, here, table)]


def _may_lead(model: DerivaModel, here: Table, there: Table) -> bool:
    if here.schema.name == model.ml_schema and here.name in LEADS_TO:
        return there.name in LEADS_TO[here.name]
    if there.schema.name != model.ml_schema:
        return True
    if there.name == "Execution":
        return here.name == "Dataset_Version" or is_feature_table(here)
    if there.name == "Dataset_Execution":
        return bool(here.name == "Dataset")
    return there.name not in {"Dataset_Dataset", "Workflow"}


def is_feature_table(table: Table) -> bool:
    """Whether the table holds the values of a feature."""
    return {"Feature_Name", "Execution"} <= {key.pk_table.name for key in table.foreign_keys}


class ExportPaths(ReleasedDerivaML):  # type: ignore[misc]  # the release is untyped
    """What a DerivaML exports for a dataset."""

    def _table_paths(
        self: DerivaML, dataset: Any = None, snapshot_catalog: DerivaML | None = None
    ) -> Iterator[tuple[str, str, Table]]:
        """The exports of a dataset: path of the request, place in the bag, table of the rows."""
        ml = snapshot_catalog or self
        every = ml.model._schema_to_paths()
        table = ml.model.schemas[ml.ml_schema].tables
        nested = [*levels(ml, dataset.rid)] if dataset else [()] * (1 + ml._dataset_nesting_depth())
        for depth, rids in enumerate(nested):
            above = [table["Dataset"], table["Dataset_Dataset"]] * depth
            empty = without_members(ml, rids) if rids else set()
            if above:
                yield from _exports(ml, above)
            for path in every:
                # Vocabularies are exported as a whole, whoever refers to them.
                if not ml.model.is_vocabulary(path[-1]) and (len(path) < 2 or path[1] not in empty):
                    yield from _exports(ml, [*above, *path])


def _exports(ml: DerivaML, path: Path) -> Iterator[tuple[str, str, Table]]:
    for way in ways(path):
        yield _export(ml, way)
        for closing in _closing(ml, way):
            yield _export(ml, (*way, closing))


def _closing(ml: DerivaML, way: Sequence[Link]) -> Iterator[Link]:
    """Steps that lead back to a table that was passed, to rows that may be others than those passed there."""
    domain = domain_schemas(ml.model)
    passed = {link.table for link in way}
    for key in way[-1].table.foreign_keys if way else ():
        if key.pk_table in passed and key.pk_table.schema.name in domain and way[-1] != Link(key, False):
            yield Link(key, True)


def _export(ml: DerivaML, way: Sequence[Link]) -> tuple[str, str, Table]:
    here = ml.model.schemas[ml.ml_schema].tables["Dataset"]
    source, place = f"{table_name(ml.ml_schema, 'Dataset')}/RID={{RID}}", "Dataset"
    for link in way:
        several = len({*_between(here, link.table)}) > 1
        source += "/" + (link.path if several else table_name(link.table.schema.name, link.table.name))
        if len(links(here, link.table)) > 1:  # the rows of each foreign key in a file of their own
            place += f"/{link.key.name[1]}"
        place += f"/{link.table.name}"
        here = link.table
    return source, place, here


def _between(here: Table, there: Table) -> Iterator[ForeignKey]:
    yield from (key for key in here.foreign_keys if key.pk_table is there)
    yield from (key for key in there.foreign_keys if key.pk_table is here)


def levels(ml: DerivaML, rid: str) -> Iterator[Collection[str]]:
    """A dataset, the datasets in it, the datasets in those and so on."""
    level: set[str] = {rid}
    seen: set[str] = set()
    while level:
        yield level
        seen |= level
        rows = rows_with(ml.catalog, ml.ml_schema, "Dataset_Dataset", "Dataset", level, wanted=["Nested_Dataset"])
        level = {row["Nested_Dataset"] for row in rows} - seen


def without_members(ml: DerivaML, rids: Collection[str]) -> set[Table]:
    """Tables that link datasets with their members, and have none for these datasets: no way leads on from there."""
    dataset = ml.model.schemas[ml.ml_schema].tables["Dataset"]
    return {
        found.table
        for found in dataset.find_associations()
        if found.table.name.startswith("Dataset_")
        and next(
            rows_with(ml.catalog, found.table.schema.name, found.table.name, "Dataset", rids, wanted=["RID"]), None
        )
        is None
    }
