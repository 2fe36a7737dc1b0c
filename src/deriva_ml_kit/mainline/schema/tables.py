"""The tables of DerivaML's schema, as the documents that ERMrest makes them from.

What the release makes, and what main line has besides: types of workflows as an association, nested executions, the
words of `Execution.Status` as terms, durations by phase, the version of an input dataset, folders as datasets.
`Dataset_Dev` is ours: plain clients read every row of `Dataset_Version` as a released version, so work since the last
release has its own table.

Sources: what `create_ml_catalog` of deriva-ml 1.17.10 makes; ERMrest's api-doc, model section.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deriva.core.ermrest_model import Column, ForeignKey, Key, Table, builtin_types
from deriva_ml.schema.annotations import generate_annotation

Document = dict[str, Any]

TEXT, MARKDOWN, INT4 = builtin_types.text, builtin_types.markdown, builtin_types.int4
# Columns whose NOT NULL has to go: main line keeps the types of a workflow in Workflow_Workflow_Type only.
NULLABLE = (("Workflow", "Workflow_Type"),)
ASSETS = ("Execution_Metadata", "Execution_Asset", "File")
VOCABULARIES = ("Feature_Name", "Asset_Type", "Asset_Role", "Workflow_Type", "Dataset_Type")
STATUS = "Execution_Status"
DISPLAY = "tag:isrd.isi.edu,2016:visible-columns"


class Tables:
    """Definitions for one schema; `documents()` gives them all.

    Args:
        schema: Name of the schema.
        prefix: What the CURIEs of its terms begin with.
        annotations: How pages show some of the tables, by table.
    """

    def __init__(self, schema: str, prefix: str, annotations: Mapping[str, Document] | None = None) -> None:
        self.schema = schema
        self.prefix = prefix
        self.annotations = annotations or {}

    def documents(self) -> list[Document]:
        """One document a table, each naming its schema."""
        made = [*self._vocabularies(), *self._workflows(), *self._executions(), *self._datasets()]
        for name in ASSETS:
            made += self._asset(name)
        made.append(self._association("Dataset", "File"))
        return [document | {"schema_name": self.schema} for document in made]

    def _vocabularies(self) -> list[Document]:
        prefixes = dict.fromkeys(VOCABULARIES, self.prefix) | {"Workflow_Type": self.schema}
        statuses = Table.define_vocabulary(STATUS, f"{self.prefix}:{{RID}}", comment="What Execution.Status may say.")
        # Without synonyms it is none of the vocabularies that plain clients put into every bag: they ask for each of
        # them as it was at the dataset's version, and fail where that is older than the table.
        statuses["column_definitions"] = [c for c in statuses["column_definitions"] if c["name"] != "Synonyms"]
        return [*(Table.define_vocabulary(name, f"{prefix}:{{RID}}") for name, prefix in prefixes.items()), statuses]

    def _workflows(self) -> list[Document]:
        columns = [
            _column("Name"),
            _column("Description", MARKDOWN),
            _column("URL", builtin_types.ermrest_uri),
            _column("Checksum"),
            _column("Version"),
            _column("Workflow_Type"),
        ]
        return [
            self._table("Workflow", columns, [self._term("Workflow", "Workflow_Type")]),
            self._association("Workflow", "Workflow_Type", comment="What kinds of work a workflow does."),
        ]

    def _executions(self) -> list[Document]:
        columns = [
            _column("Workflow"),
            _column("Description", MARKDOWN),
            _column("Duration"),
            _column("Execution_Duration", comment="Time that the work took."),
            _column("Download_Duration", comment="Time that fetching the inputs took."),
            _column("Upload_Duration", comment="Time that sending the outputs took."),
            _column("Status"),
            _column("Status_Detail"),
        ]
        references = [
            self._reference("Execution", "Workflow", "Workflow"),
            self._term("Execution", "Status", STATUS, on_delete="NO ACTION"),
        ]
        return [
            self._table("Execution", columns, references),
            self._association(
                "Execution",
                "Nested_Execution",
                second_table="Execution",
                further=[_column("Sequence", INT4, comment="Place among its siblings; none if they ran side by side.")],
                comment="Executions that are parts of others, such as the runs of a sweep.",
            ),
        ]

    def _datasets(self) -> list[Document]:
        version = [
            _column("Version", default="0.1.0", comment="Semantic version of dataset"),
            _column("Description", MARKDOWN),
            _column("Dataset", comment="RID of dataset"),
            _column("Execution", comment="RID of execution"),
            _column("Minid", comment="URL to MINID for dataset"),
            _column("Minid_Spec_Hash", comment="SHA-256 of the download's specification that the MINID stands for."),
            _column("Snapshot", comment="Catalog Snapshot ID for dataset"),
        ]
        dev = [
            _column("Dataset", null=False),
            _column("Base_Version", null=False, comment="Version that the changes are based on."),
            _column("Counter", INT4, null=False, default=1, comment="How often it was changed since."),
            _column("Description", MARKDOWN, comment="What was changed."),
            _column("Execution", comment="Execution that changed it last."),
        ]
        path = "The folder, relative to where its files were added from; the topmost has its name only."
        return [
            self._table(
                "Dataset",
                [_column("Description", MARKDOWN), _column("Deleted", builtin_types.boolean), _column("Version")],
                [self._cascading("Dataset", "Version", "Dataset_Version")],
            ),
            self._association("Dataset", "Dataset_Type"),
            self._table(
                "Dataset_Version",
                version,
                [self._reference("Dataset_Version", name, name) for name in ("Dataset", "Execution")],
                keys=[("Dataset", "Version")],
            ),
            self._association("Dataset", "Nested_Dataset", second_table="Dataset"),
            self._association(
                "Dataset",
                "Execution",
                further=[_column("Dataset_Version", comment="Version that the execution used; none if not known.")],
                references=[
                    self._reference("Dataset_Execution", "Dataset_Version", "Dataset_Version", on_delete="SET NULL")
                ],
            ),
            self._table(
                "Dataset_Dev",
                dev,
                [
                    self._cascading("Dataset_Dev", "Dataset", "Dataset"),
                    self._reference("Dataset_Dev", "Execution", "Execution", on_delete="SET NULL"),
                ],
                keys=[("Dataset",)],
                comment="Datasets that were changed since their last version, one row each.",
            ),
            self._table(
                "Directory_Dataset",
                [_column("Dataset"), _column("Path", comment=path)],
                [self._cascading("Directory_Dataset", "Dataset", "Dataset")],
                keys=[("Dataset",)],
                comment="Which folder a dataset of files stands for.",
            ),
        ]

    def _asset(self, name: str) -> list[Document]:
        asset = Table.define_asset(
            self.schema,
            name,
            hatrac_template="/hatrac/metadata/{{MD5}}.{{Filename}}",
            annotations={DISPLAY: self._asset_columns(name)},
        )
        role = _column("Asset_Role", null=False)
        plays = f"{name}_Execution"
        return [
            asset,
            self._association(name, "Asset_Type"),
            self._association(name, "Execution", further=[role], references=[self._term(plays, "Asset_Role")]),
        ]

    def _asset_columns(self, name: str) -> Document:
        types = f"{name}_Asset_Type"
        type_ = [{"outbound": [self.schema, f"{types}_Asset_Type_fkey"]}, "RID"]
        return {
            "*": [
                "RID",
                "RCT",
                "RMT",
                [self.schema, f"{name}_RCB_fkey"],
                [self.schema, f"{name}_RMB_fkey"],
                "URL",
                "Filename",
                "Description",
                "Length",
                "MD5",
                {
                    "source": [{"inbound": [self.schema, f"{types}_{name}_fkey"]}, *type_],
                    "markdown_name": "Asset Types",
                },
            ]
        }

    def _association(
        self,
        first: str,
        second: str,
        *,
        second_table: str | None = None,
        further: Sequence[Document] = (),
        references: Sequence[Document] = (),
        comment: str | None = None,
    ) -> Document:
        """A table of pairs; the columns are called `first` and `second`."""
        to = second_table or second
        name = f"{first}_{to}"
        second_reference = self._term(name, second) if to in VOCABULARIES else self._cascading(name, second, to)
        return self._table(
            name,
            [_column(first, null=False), _column(second, null=False), *further],
            [self._cascading(name, first, first), second_reference, *references],
            keys=[(first, second)],
            key_name=f"{name}_assoc_key",
            comment=comment,
        )

    def _table(
        self,
        name: str,
        columns: Iterable[Document],
        references: Iterable[Document],
        *,
        keys: Iterable[Sequence[str]] = (),
        key_name: str | None = None,
        comment: str | None = None,
    ) -> Document:
        definition: Document = Table.define(
            name,
            list(columns),
            [Key.define(list(key), constraint_name=key_name) for key in keys],
            list(references),
            comment=comment,
            annotations=self.annotations.get(name, {}),
        )
        return definition

    def _term(self, table: str, column: str, vocabulary: str | None = None, *, on_delete: str = "CASCADE") -> Document:
        return self._to(table, column, (vocabulary or column, "Name"), "CASCADE", on_delete)

    def _cascading(self, table: str, column: str, to: str) -> Document:
        return self._to(table, column, (to, "RID"), "CASCADE", "CASCADE")

    def _reference(self, table: str, column: str, to: str, *, on_delete: str = "NO ACTION") -> Document:
        return self._to(table, column, (to, "RID"), "NO ACTION", on_delete)

    def _to(self, table: str, column: str, to: tuple[str, str], *rules: str) -> Document:
        definition: Document = ForeignKey.define(
            [column],
            self.schema,
            to[0],
            [to[1]],
            *rules,
            constraint_name=f"{table}_{column}_fkey",
        )
        return definition


def shown(model: Any, schema: str) -> dict[str, Document]:
    """How the release shows its tables, by table.

    Args:
        model: deriva's model of the catalog.
        schema: Name of DerivaML's schema.
    """
    made = generate_annotation(model, schema)
    tables = {
        "Workflow": "workflow",
        "Execution": "execution",
        "Dataset": "dataset",
        "Dataset_Version": "dataset_version",
    }
    return {table: made[f"{name}_annotation"] for table, name in tables.items()}


def _column(
    name: str, type_: Any = TEXT, *, null: bool = True, default: Any = None, comment: str | None = None
) -> Document:
    definition: Document = Column.define(name, type_, nullok=null, default=default, comment=comment)
    return definition
