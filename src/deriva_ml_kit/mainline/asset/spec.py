"""Which asset is an input of an execution."""

from __future__ import annotations

from typing import Any

from deriva_ml.core.definitions import RID
from hydra_zen import hydrated_dataclass
from pydantic import BaseModel, ConfigDict, model_validator


class AssetSpec(BaseModel):
    """An asset as an input of an execution; a bare RID is taken for one too.

    Attributes:
        rid: RID of the asset.
        cache: Keep the file in the cache folder, for later executions with the same file.
    """

    model_config = ConfigDict(extra="forbid")

    rid: RID
    cache: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_rid(cls, given: Any) -> Any:
        return {"rid": given} if isinstance(given, str) else given


@hydrated_dataclass(AssetSpec)
class AssetSpecConfig:
    """`AssetSpec` as hydra-zen stores it.

    Attributes:
        rid: RID of the asset.
        cache: Keep the file in the cache folder, for later executions with the same file.
    """

    rid: str
    cache: bool = False
