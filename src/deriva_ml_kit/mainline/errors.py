"""Main line's exceptions that the release lacks, each also a KitError, so that programs know remedy and exit code.

DerivaMLException                       of the release
└── MainlineError                       + KitError: message, remedy, exit code
    ├── DerivaMLConfigurationError      2  host, catalog or call is not as it must be
    │   └── DerivaMLAuthenticationError 2  nobody is logged in, or the login has no right here
    ├── DerivaMLReadOnlyError           2  a write to what cannot change, such as a snapshot
    ├── DerivaMLDataError               2  what was asked for, or given, does not fit the catalog
    │   ├── DerivaMLNotFoundError       2  a RID, version or table that the catalog does not hold
    │   │   ├── DerivaMLTableNotFound, DerivaMLFeatureNotFound
    │   │   └── DerivaMLDatasetNotFound, DerivaMLRidsNotFound
    │   ├── DerivaMLCycleError          2  something would come to contain itself
    │   └── DerivaMLValidationError     2  values that break a rule
    │       └── DerivaMLFaults, DerivaMLMaterializeLimitExceeded
    ├── DerivaMLDenormalizeError        2  tables that cannot be put side by side as asked
    │   ├── DerivaMLDenormalizeMultiLeaf, DerivaMLDenormalizeNoSink, DerivaMLDenormalizeDownstreamLeaf
    │   └── DerivaMLDenormalizeAmbiguousPath, DerivaMLDenormalizeUnrelatedAnchor
    └── DerivaMLExecutionError          1
        ├── DerivaMLWorkflowError       2  the script is in no state that a Workflow can name
        │   └── DerivaMLDirtyWorkflowError
        └── DerivaMLUploadError         1  outputs registered but not, or not all, in the catalog
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from deriva_ml.core.exceptions import DerivaMLException

from deriva_ml_kit.errors import Faults, KitError
from deriva_ml_kit.mainline.execution.report import UploadReport

SHOWN_PATHS = 10


class MainlineError(KitError, DerivaMLException):  # type: ignore[misc]  # the release is untyped
    """An error of this layer; caught as DerivaMLException by code written for the library."""


class DerivaMLConfigurationError(MainlineError):
    """The host, the catalog or the call is not as it must be."""

    exit_code = 2


class DerivaMLAuthenticationError(DerivaMLConfigurationError):
    """Nobody is logged in at the host, or the login has no right to the catalog."""


class DerivaMLReadOnlyError(MainlineError):
    """A write to what cannot change, such as a snapshot."""

    exit_code = 2


class DerivaMLDataError(MainlineError):
    """What was asked for, or given, does not fit the catalog."""

    exit_code = 2


class DerivaMLNotFoundError(DerivaMLDataError):
    """The catalog holds no such RID, version or table."""


class DerivaMLTableNotFound(DerivaMLNotFoundError):
    """The catalog has no table of this name.

    Args:
        table_name: The name.
        msg: What is said before it.
    """

    def __init__(self, table_name: str, msg: str = "Table not found", *, remedy: str | None = None) -> None:
        super().__init__(f"{msg}: {table_name}.", remedy=remedy)
        self.table_name = table_name


class DerivaMLFeatureNotFound(DerivaMLNotFoundError):
    """A table has no feature of this name.

    Args:
        table_name: The table.
        feature_name: The name.
        msg: What is said before both.
    """

    def __init__(
        self, table_name: str, feature_name: str, msg: str = "Feature not found", *, remedy: str | None = None
    ) -> None:
        super().__init__(f"{msg}: {feature_name} on {table_name}.", remedy=remedy)
        self.table_name = table_name
        self.feature_name = feature_name


class DerivaMLDatasetNotFound(DerivaMLNotFoundError):
    """The catalog has no dataset of this RID.

    Args:
        dataset_rid: The RID.
        msg: What is said before it.
    """

    def __init__(self, dataset_rid: str, msg: str = "Dataset not found", *, remedy: str | None = None) -> None:
        super().__init__(f"{msg}: {dataset_rid}.", remedy=remedy)
        self.dataset_rid = dataset_rid


class DerivaMLRidsNotFound(DerivaMLNotFoundError):
    """The catalog has no rows of these RIDs.

    Args:
        missing_rids: All that are missing.
        msg: What is said before them.
    """

    def __init__(
        self, missing_rids: Iterable[str], msg: str = "RIDs not found in the catalog", *, remedy: str | None = None
    ) -> None:
        self.missing_rids = set(missing_rids)
        super().__init__(f"{msg}: {listed(sorted(self.missing_rids))}.", remedy=remedy)


class DerivaMLCycleError(DerivaMLDataError):
    """Something would come to contain itself.

    Args:
        cycle_nodes: RIDs or names that form the cycle.
        msg: What is said before them.
    """

    def __init__(self, cycle_nodes: Sequence[str], msg: str = "Cycle detected", *, remedy: str | None = None) -> None:
        super().__init__(f"{msg}: {listed(list(cycle_nodes))}.", remedy=remedy)
        self.cycle_nodes = list(cycle_nodes)


class DerivaMLValidationError(DerivaMLDataError):
    """Values that break a rule."""


class DerivaMLFaults(Faults, DerivaMLValidationError):
    """Several things wrong with one call, found before anything was written."""


class DerivaMLMaterializeLimitExceeded(DerivaMLValidationError):
    """More values than the caller wants to hold.

    Args:
        actual_count: How many there are.
        limit: How many were allowed.
    """

    def __init__(self, actual_count: int, limit: int) -> None:
        super().__init__(
            f"There are {actual_count} values, more than materialize_limit={limit}.",
            remedy="Ask for fewer, such as those of some executions (execution_rids=…), or raise the limit.",
        )
        self.actual_count = actual_count
        self.limit = limit


class DerivaMLDenormalizeError(MainlineError):
    """Tables cannot be put side by side as asked."""

    exit_code = 2


class DerivaMLDenormalizeMultiLeaf(DerivaMLDenormalizeError):
    """Several tables could give the rows.

    Args:
        candidates: Those tables.
        include_tables: The tables that were asked for.
        bridge_suggestions: Tables between them, any of which may connect them.
    """

    def __init__(
        self, candidates: list[str], include_tables: list[str], bridge_suggestions: list[str] | None = None
    ) -> None:
        self.candidates = list(candidates)
        self.include_tables = list(include_tables)
        self.bridge_suggestions = list(bridge_suggestions or [])
        bridge = f"ask for a table between them, too: {listed(self.bridge_suggestions)}"
        super().__init__(
            f"A row could be one of {' or of '.join(self.candidates)}: no foreign keys lead from one to the other "
            f"among {', '.join(self.include_tables)}.",
            remedy=f"Say which with row_per={self.candidates[0]!r}"
            + (f", or {bridge}." if bridge_suggestions else "."),
        )


class DerivaMLDenormalizeNoSink(DerivaMLDenormalizeError):
    """No table can give the rows, as each is referred to by another."""


class DerivaMLDenormalizeDownstreamLeaf(DerivaMLDenormalizeError):
    """There would be several rows of a table to one row of `row_per`.

    Args:
        row_per: The table that was to give the rows.
        downstream_tables: Tables that refer to it.
    """

    def __init__(self, row_per: str, downstream_tables: list[str]) -> None:
        self.row_per = row_per
        self.downstream_tables = list(downstream_tables)
        super().__init__(
            f"Rows of {', '.join(self.downstream_tables)} refer to {row_per}, so there may be several for one.",
            remedy=f"Leave out row_per (a row is then one of {self.downstream_tables[0]}), or leave out "
            f"{', '.join(self.downstream_tables)}. One value of a feature for each record: selector=…",
        )


class DerivaMLDenormalizeAmbiguousPath(DerivaMLDenormalizeError):
    """Several ways of foreign keys lead from one table to another, to different rows.

    Args:
        from_table: Where they start.
        to_table: Where they end.
        paths: The tables on each way; `Table.column` where only the column differs.
        suggested_intermediates: What tells them apart: to be named in `via`, or (tables) in `include_tables`.
    """

    def __init__(
        self, from_table: str, to_table: str, paths: list[list[str]], suggested_intermediates: list[str]
    ) -> None:
        self.from_table = from_table
        self.to_table = to_table
        self.paths = [list(path) for path in paths]
        self.suggested_intermediates = list(suggested_intermediates)
        shown = "".join(f"\n  {' → '.join(path)}" for path in self.paths)
        super().__init__(
            f"{len(self.paths)} ways lead from {from_table} to {to_table}:{shown}",
            remedy=f"Say which with via=[…], one of {listed(self.suggested_intermediates)}; a table may be named in "
            "include_tables instead, for its columns.",
        )


class DerivaMLDenormalizeUnrelatedAnchor(DerivaMLDenormalizeError):
    """A dataset has members from which no foreign keys lead to any of the tables.

    Args:
        unrelated_tables: The tables of those members.
        include_tables: The tables that were asked for.
    """

    def __init__(self, unrelated_tables: list[str], include_tables: list[str]) -> None:
        self.unrelated_tables = list(unrelated_tables)
        self.include_tables = list(include_tables)
        super().__init__(
            f"From members of {', '.join(self.unrelated_tables)} no foreign keys lead to "
            f"{', '.join(self.include_tables)}.",
            remedy="If that is meant: ignore_unrelated_anchors=True.",
        )


class DerivaMLExecutionError(MainlineError):
    """An execution could not be made, restored or finished."""


class DerivaMLWorkflowError(DerivaMLExecutionError):
    """The running script is in no state that a Workflow could name."""

    exit_code = 2


class DerivaMLDirtyWorkflowError(DerivaMLWorkflowError):
    """The repository has changes that no commit holds, so nobody could check out what ran.

    Args:
        path: The script.
        dirty_paths: Changed and untracked files, relative to the repository.
    """

    def __init__(self, path: str | Path, dirty_paths: Sequence[str] | None = None) -> None:
        self.path = str(path)
        self.dirty_paths = list(dirty_paths or [])
        super().__init__(
            f"The git repository of {path} has uncommitted changes: {listed(self.dirty_paths) or 'unknown files'}.",
            remedy="Commit them first:\n  git add -A && git commit -m 'what changed and why'\n"
            "For debugging only, --allow-dirty (or DERIVA_ML_ALLOW_DIRTY=true) runs anyway and records these paths.",
        )


class DerivaMLUploadError(DerivaMLExecutionError):
    """Outputs were registered that are not in the catalog; nothing that was registered is lost locally.

    Args:
        message: What is missing and why.
        report: What did arrive.
    """

    def __init__(self, message: str, *, report: UploadReport, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.report = report


def listed(names: Sequence[str], shown: int = SHOWN_PATHS) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
