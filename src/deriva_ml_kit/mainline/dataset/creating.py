"""Making a dataset."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deriva_ml.dataset.aux_classes import DatasetVersion as ReleasedVersion

from deriva_ml_kit.mainline.catalog.rows import insert, insert_once
from deriva_ml_kit.mainline.catalog.single import refuse_snapshot, row_of
from deriva_ml_kit.mainline.dataset import periods, types
from deriva_ml_kit.mainline.dataset.versions import DatasetVersion, InvalidVersion, own

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

FIRST = DatasetVersion(0, 1, 0)
MEANT_AS_VERSION = re.compile(r"v?\d\S*")


def create(
    ml: DerivaML,
    execution_rid: str | None,
    dataset_types: types.Types = None,
    description: str = "",
    version: ReleasedVersion | str | None = None,
) -> str:
    """Make a dataset with its first version.

    Args:
        ml: The catalog.
        execution_rid: Execution that makes it, if one does.
        dataset_types: Its types.
        description: What it holds.
        version: Its first version; 0.1.0 where not given. A text that is meant as none is taken for the description,
            if that is not given: in the release, `create_dataset(types, "description")` has it there.

    Returns:
        Its RID.

    Raises:
        DerivaMLInvalidTerm: A type is no term of Dataset_Type.
        InvalidVersion: It cannot begin with this version.
        DerivaMLNotFoundError: There is no such execution.
        DerivaMLReadOnlyError: This is a snapshot.
    """
    refuse_snapshot(ml)
    if isinstance(version, str) and not description and not MEANT_AS_VERSION.fullmatch(version):
        description, version = version, None
    first = own(version) if version else FIRST
    if first.is_devrelease:
        raise InvalidVersion(f"A dataset cannot begin with {first}, a state in development.")
    names = types.names(ml, dataset_types)
    if execution_rid:
        row_of(ml, "Execution", execution_rid)
    row = {"Description": description, "Deleted": False}
    rid = str(insert_once(ml.catalog, ml.ml_schema, "Dataset", [row])[0]["RID"])
    types.add(ml, rid, names)
    if execution_rid:
        link = {"Dataset": rid, "Execution": execution_rid}
        insert(ml.catalog, ml.ml_schema, "Dataset_Execution", [link], skip_conflicts=True)
    begun = {"Description": "Initial dataset creation.", "Execution": execution_rid}
    periods.mint(ml, [{"Dataset": rid, "Version": str(first), **begun}])
    return rid
