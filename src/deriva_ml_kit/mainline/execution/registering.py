"""Outputs of an execution: files and feature values are announced here, and sent by `commit_output_assets`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml.core.definitions import MLAsset, MLVocab
from deriva_ml.core.exceptions import DerivaMLInvalidTerm
from deriva_ml.execution.execution import Execution as ReleasedExecution
from deriva_ml.execution.execution_configuration import ExecutionConfiguration
from deriva_ml.feature import FeatureRecord

from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError
from deriva_ml_kit.mainline.execution.outputs import AssetFilePath, Register, Registered, take
from deriva_ml_kit.mainline.feature.staged import stage as stage_features

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML


class Registering(ReleasedExecution):  # type: ignore[misc]  # the release is untyped
    """What an execution announces."""

    configuration: ExecutionConfiguration
    execution_rid: str
    _ml_object: DerivaML
    _register: Register
    _asset_terms: dict[str, str]
    _working_dir: Path

    @property
    def catalog(self) -> DerivaML:
        """The catalog in which it runs."""
        return self._ml_object

    def asset_file_path(  # noqa: PLR0917  (main line's signature)
        self,
        asset_name: str,
        file_name: str | Path,
        asset_types: list[str] | str | None = None,
        copy_file: bool = False,
        rename_file: str | None = None,
        metadata: dict[str, Any] | None = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> AssetFilePath:
        """Announce an output file and get the path to write it to; `commit_output_assets` uploads it.

        Args:
            asset_name: Asset table.
            file_name: Name of the new file, any name; or the path of an existing file, which is linked or copied.
            asset_types: Terms of Asset_Type; the table's name where not given.
            copy_file: Copy an existing file instead of linking to it.
            rename_file: Name in the catalog for an existing file.
            metadata: Values of the asset table's further columns; those not given stay NULL.
            description: Value of its Description column.
            **kwargs: Further columns, as in `metadata`.

        Raises:
            DerivaMLConfigurationError: No asset table, or no such columns.
            DerivaMLInvalidTerm: No such asset type.
        """
        given = asset_types or kwargs.pop("Asset_Type", None) or asset_name
        values = {**_values(metadata), **kwargs} | ({"Description": description} if description else {})
        source = Path(file_name)
        existing = source.is_file()
        name = rename_file if existing and rename_file else source.name
        path = self._announced(asset_name, name, [given] if isinstance(given, str) else given, values)
        if existing:
            take(source, Path(path), copy=copy_file)
        return path

    def metrics_file(self, filename: str = "metrics.jsonl") -> AssetFilePath:
        """Announce a file of measures, such as one JSON record for each epoch, and get the path to append to.

        Args:
            filename: Its name; the same name gives the same path.
        """
        return self._announced(MLAsset.execution_metadata.value, filename, ["Metrics_File"], {})

    def add_features(self, features: Iterable[FeatureRecord]) -> int:
        """Stage feature values, of one feature or several; `commit_output_assets` sends them.

        Args:
            features: Records; an iterator is read once and never held as a whole.

        Returns:
            How many there were.

        Raises:
            ValueError: There were none.
        """
        schema = self._ml_object.domain_schema
        count = stage_features(self._working_dir, schema, self.execution_rid, features)
        if not count:
            raise ValueError("add_features got no records")
        return count

    def _announced(self, asset_name: str, name: str, types: list[str], values: dict[str, Any]) -> AssetFilePath:
        model = self._ml_object.model
        if not model.is_asset(asset_name):
            raise DerivaMLConfigurationError(f"{asset_name} is not an asset table.")
        table = model.name_to_table(asset_name)
        terms = [self._asset_term(term) for term in types]
        columns = model.asset_metadata(table) | {"Description"}
        if unknown := sorted(values.keys() - columns):
            raise DerivaMLConfigurationError(
                f"{asset_name} has no column {', '.join(unknown)}; "
                f"its metadata columns are {', '.join(sorted(columns))}."
            )
        path = self._register.place(table.schema.name, table.name, name, values)
        relative = path.relative_to(self._register.root).as_posix()
        self._register.add(Registered(f"{table.schema.name}/{table.name}", relative, name, terms, values))
        return AssetFilePath(
            asset_path=str(path), asset_name=table.name, file_name=name, asset_metadata=values, asset_types=terms
        )

    def _asset_term(self, name: str) -> str:
        """Name of an asset type, also by a synonym; the vocabulary is read once, and again when a name is new."""
        if name not in self._asset_terms:
            for term in self._ml_object.list_vocabulary_terms(MLVocab.asset_type):
                self._asset_terms |= dict.fromkeys([term.name, *(term.synonyms or [])], term.name)
        if name not in self._asset_terms:
            raise DerivaMLInvalidTerm(MLVocab.asset_type.value, name)
        return self._asset_terms[name]


def _values(metadata: Any) -> dict[str, Any]:
    """Values as a dict, also where they are a record of `ml.asset_record_class(…)`."""
    if hasattr(metadata, "model_dump"):
        return {name: value for name, value in metadata.model_dump().items() if value is not None}
    return dict(metadata or {})
