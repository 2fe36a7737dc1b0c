"""Arguments that many tools have in common, with the names under which other servers know them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from deriva_ml_kit.tools.registry import also

RID_PATTERN = re.compile(r"[0-9A-HJKMNP-TV-Z]{1,4}(-[0-9A-HJKMNP-TV-Z]{4})*")


def _rid(text: str) -> str:
    if not RID_PATTERN.fullmatch(text):
        raise ValueError("is no RID: those are groups of digits and capitals, such as 1-2A3B")
    return text


Rid = Annotated[str, AfterValidator(_rid), Field(description="RID, such as 1-2A3B")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=100_000)]

TargetTable = Annotated[
    Name, Field(description="Table that the feature is about", validation_alias=also("target_table", "table"))
]
FeatureName = Annotated[Name, Field(description="Name of the feature")]
SchemaName = Annotated[Name, Field(description="Schema, such as deriva-ml or the project's own")]
TableName = Annotated[Name, Field(description="Table", validation_alias=also("table", "table_name"))]
DatasetRid = Annotated[Rid, Field(description="RID of the dataset")]
ExecutionRid = Annotated[Rid, Field(description="RID of the execution")]
AssetRid = Annotated[Rid, Field(description="RID of the asset")]
WorkflowRid = Annotated[Rid, Field(description="RID of the workflow")]
Version = Annotated[
    str, Field(min_length=1, max_length=50, description="Version, such as 1.2.0; the newest where not given")
]
Description = Annotated[str, Field(max_length=10_000, description="What it is, for people")]
Limit = Annotated[
    int, Field(ge=1, le=1000, description="How many at most", validation_alias=also("limit", "max_results"))
]
Cursor = Annotated[
    str | None,
    Field(
        description="next_cursor of the answer before, to go on behind it", validation_alias=also("cursor", "after_rid")
    ),
]
DryRun = Annotated[bool, Field(description="Check everything, say what would be written, write nothing")]
CountOnly = Annotated[bool, Field(description="Only count them")]
