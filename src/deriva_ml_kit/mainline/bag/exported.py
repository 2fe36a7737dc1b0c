"""What the export of a dataset version will hold, asked of the catalog for RIDs and lengths only.

The release composes the export's queries from the schema and the dataset's members when it orders a bag. They are taken
from that order here, so that what is counted is what will come.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from deriva_ml.dataset.aux_classes import DatasetSpec

from deriva_ml_kit.mainline.ml import DerivaML


@dataclass
class Exported:
    """Content of an export.

    Attributes:
        rids: Table name to the RIDs of its rows.
        lengths: URL of an asset file to its length in bytes.
    """

    rids: dict[str, set[str]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)


def exported(ml: DerivaML, spec: DatasetSpec) -> Exported:
    """Ask for the content of a dataset version as the catalog was then; a record on several paths counts once."""
    snapshot = ml.catalog_snapshot(ml._version_snapshot(spec))
    order = ml._generate_dataset_download_spec(spec, snapshot)
    content = Exported()
    for query in order["catalog"]["query_processors"]:
        params: dict[str, Any] = query["processor_params"]
        path = params["query_path"].replace("{RID}", spec.rid)
        if query["processor"] == "csv":
            table = params["output_path"].rsplit("/", 1)[-1]
            rows = snapshot.catalog.get(f"/attribute/{path.removeprefix('/entity/')}/RID").json()
            content.rids.setdefault(table, set()).update(row["RID"] for row in rows)
        elif query["processor"] == "fetch":
            content.lengths.update((row["url"], row["length"]) for row in snapshot.catalog.get(path).json())
    return content
