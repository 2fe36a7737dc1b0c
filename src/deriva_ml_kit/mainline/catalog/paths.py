"""The walk over the schema that decides which rows go into a dataset's bag.

The release's walk ends with an error when it comes back to a table that it has passed, as it does where two features of
one table have their values in the same asset table. Here such a way just ends.
"""

from __future__ import annotations

from deriva.core.ermrest_model import Table
from deriva_ml.core.exceptions import DerivaMLException
from deriva_ml.model.catalog import DerivaModel

# These lead from one dataset, or one execution, to all the others.
NEVER_FOLLOWED = frozenset({"Dataset_Execution", "Dataset_Dataset", "Execution"})


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
        for table in _neighbours(self, here):
            to_other_datasets = table in of_datasets and here is not dataset
            if table not in way and table.name not in NEVER_FOLLOWED and not to_other_datasets:
                paths += self._schema_to_paths(table, way)
        return paths


class Model(LoopFreePaths, DerivaModel):  # type: ignore[misc]  # the release is untyped
    """The model of a catalog."""


def _neighbours(model: DerivaModel, table: Table) -> list[Table]:
    """Tables of the domain and of deriva-ml that a foreign key links with `table`, in either direction.

    Raises:
        DerivaMLException: Two foreign keys link the same domain table: the release cannot tell them apart either.
    """
    linked = [key.pk_table for key in table.foreign_keys] + [key.table for key in table.referenced_by]
    near = [other for other in linked if other.schema.name in {model.domain_schema, model.ml_schema}]
    several = {other.name for other in near if other.schema.name == model.domain_schema and near.count(other) > 1}
    if several:
        raise DerivaMLException(
            f"{table.name} has several foreign keys to {', '.join(sorted(several))}: "
            "a dataset with members that reach both cannot be exported."
        )
    return list(dict.fromkeys(near))
