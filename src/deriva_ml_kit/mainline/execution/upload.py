"""Uploading output files: objects into Hatrac in parallel, rows into the asset tables in batches.

In: the registered files of an execution. Out: their rows, linked to the execution and to their types. The rows and
objects are those that the release's uploader makes, but for three things: every file name is accepted, metadata that
were not given stay NULL, and it runs in any thread. Doing it twice changes nothing: an object that is there is not sent
again, a row with the same MD5 and file name is used again (and linked to this execution as well). A batch is complete,
links included, before the next one is begun, so an interrupted upload has little to ask for again.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests
from deriva.core import urlquote

from deriva_ml_kit.mainline.catalog.rows import Row, any_of, batches, insert, said, table_name
from deriva_ml_kit.mainline.catalog.transport import Limits
from deriva_ml_kit.mainline.execution.objects import Objects, OutputFile, measured
from deriva_ml_kit.mainline.execution.outputs import Registered
from deriva_ml_kit.mainline.execution.report import ProgressCallback, UploadProgress, UploadReport

BATCH_FILES = 500
LOOKUP_BATCH = 100  # MD5 sums in one request path: some servers stop at 8 KB

Known = dict[tuple[str, str], Row]


@dataclass(frozen=True)
class Link:
    """An association table of an asset table, and its column for the asset."""

    schema: str
    table: str
    asset_column: str
    other_column: str


class Uploader:
    """Uploads the output files of one execution.

    Args:
        catalog: ErmrestCatalog.
        model: DerivaModel of the catalog.
        objects: The object store.
        limits: How many transfers at a time.
        execution_rid: Execution whose outputs the files are.
    """

    def __init__(self, catalog: Any, model: Any, objects: Objects, limits: Limits, execution_rid: str) -> None:
        self._catalog = catalog
        self._model = model
        self._objects = objects
        self._workers = limits.workers
        self._execution = execution_rid

    def upload(
        self, root: Path, entries: Sequence[Registered], report: UploadReport, progress: ProgressCallback | None = None
    ) -> dict[str, Row]:
        """Upload files and register them in the catalog; what fails is counted, the rest goes on.

        Args:
            root: Folder that the entries' paths are relative to.
            entries: The files.
            report: Takes counts and errors.
            progress: Told after each file, and after each chunk of a large one, in the caller's thread.

        Returns:
            Row of each file that is in the catalog now, by its registered path.
        """
        tables: dict[str, list[Registered]] = defaultdict(list)
        for entry in entries:
            tables[entry.table].append(entry)
        meter = _Meter(progress, sum((root / entry.path).stat().st_size for entry in entries))
        rows: dict[str, Row] = {}
        try:
            with ThreadPoolExecutor(self._workers, thread_name_prefix="upload") as pool, self._objects:
                for table, of_table in tables.items():
                    for batch in batches(of_table, BATCH_FILES):
                        files = list(pool.map(partial(measured, root), batch))
                        rows |= self._upload_batch(pool, table, files, report, meter)
        except requests.RequestException as error:  # of the host, not of one file
            report.errors.append(f"{len(rows)} of {len(entries)} files are in the catalog, then: {said(error)}")
        for table, of_table in tables.items():
            arrived = sum(entry.path in rows for entry in of_table)
            report.count(table.replace("/", ":"), uploaded=arrived, failed=len(of_table) - arrived)
        return rows

    def _upload_batch(
        self, pool: ThreadPoolExecutor, qualified: str, files: list[OutputFile], report: UploadReport, meter: _Meter
    ) -> dict[str, Row]:
        schema, table = qualified.split("/")
        known = self._existing(schema, table, files)
        new = {file.key: file for file in files if file.key not in known}
        for file in files:
            if file.key in known:
                meter.complete(file)
        sent, failures = self._send(pool, list(new.values()), meter)
        known |= self._insert(schema, table, sent)
        self._update_metadata(schema, table, [file for file in files if file.key not in new], known)
        self._link(schema, table, files, known)
        report.errors += failures
        return {file.entry.path: known[file.key] for file in files if file.key in known}

    def _existing(self, schema: str, table: str, files: Iterable[OutputFile]) -> Known:
        found: Known = {}
        for sums in batches(sorted({file.md5 for file in files}), LOOKUP_BATCH):
            path = f"/entity/{table_name(schema, table)}/{any_of('MD5', sums)}"
            found |= {(row["MD5"], row["Filename"]): row for row in self._catalog.get(path).json()}
        return found

    def _send(
        self, pool: ThreadPoolExecutor, files: list[OutputFile], meter: _Meter
    ) -> tuple[list[tuple[OutputFile, str]], list[str]]:
        """Put the objects; gives files with their URL, and a line for each that the object store did not take."""
        sent: list[tuple[OutputFile, str]] = []
        failures: list[str] = []

        def take(file: OutputFile, url: Callable[[], str]) -> None:
            try:
                sent.append((file, url()))
            except (requests.RequestException, OSError, ValueError) as error:
                if _concerns_all(error):
                    raise
                failures.append(f"{file.entry.table}/{file.entry.file_name}: {said(error)}")
            else:
                meter.complete(file)

        running = {pool.submit(self._objects.put, file): file for file in files if not file.is_large}
        try:
            for done in as_completed(running):
                take(running[done], done.result)
        finally:
            for waiting in running:  # an interrupt must not wait for hundreds of files
                waiting.cancel()
        for file in files:
            if file.is_large:
                take(file, partial(self._objects.put_large, file, pool, partial(meter.advance, file)))
        return sent, failures

    def _insert(self, schema: str, table: str, sent: list[tuple[OutputFile, str]]) -> Known:
        columns = self._model.asset_metadata(table) | {"Description"}
        with_default = {c.name for c in self._model.name_to_table(table).columns if c.default is not None}
        groups: dict[frozenset[str], list[Row]] = defaultdict(list)
        for file, url in sent:
            given = {name: value for name, value in file.entry.metadata.items() if value is not None}
            defaults = frozenset((columns & with_default) - given.keys())
            facts = {"URL": url, "Filename": file.entry.file_name, "Length": file.size, "MD5": file.md5}
            groups[defaults].append({name: given.get(name) for name in columns - defaults} | facts)
        inserted = (
            row
            for defaults, rows in groups.items()
            for row in insert(self._catalog, schema, table, rows, defaults=sorted(defaults), skip_conflicts=True)
        )
        known = {(row["MD5"], row["Filename"]): row for row in inserted}
        # Their URL is there already: the answer of an earlier attempt was lost, or another process was faster.
        known |= self._existing(schema, table, [file for file, _ in sent if file.key not in known])
        self._settle(schema, table, [(file, url) for file, url in sent if file.is_large], known)
        return known

    def _settle(self, schema: str, table: str, sent: list[tuple[OutputFile, str]], known: Known) -> None:
        """Where another program has finished the same large file at the same time, the older of the two rows stays.

        For small files the object store sees to it that only one of them makes the object.
        """
        for file, url in sent:
            path = f"/entity/{table_name(schema, table)}/{any_of('MD5', [file.md5])}"
            rows = [row for row in self._catalog.get(path).json() if row["Filename"] == file.entry.file_name]
            oldest = min(rows, key=lambda row: (row["RCT"], row["RID"]))
            if oldest["URL"] == url:
                continue
            with contextlib.suppress(requests.HTTPError):  # somebody refers to it already
                self._catalog.delete(f"/entity/{table_name(schema, table)}/RID={known[file.key]['RID']}")
                self._objects.remove(url)
            known[file.key] = oldest

    def _update_metadata(self, schema: str, table: str, files: Iterable[OutputFile], known: Known) -> None:
        """Metadata given now win over those of an earlier upload of the same file, as in the release."""
        groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for file in files:
            row = known[file.key]
            changed = {k: v for k, v in file.entry.metadata.items() if v is not None and row.get(k) != v}
            if changed:
                groups[tuple(sorted(changed))].append({"RID": row["RID"], **changed})
                row |= changed
        for names, rows in groups.items():
            columns = ",".join(urlquote(name, "") for name in names)
            latest = list({row["RID"]: row for row in rows}.values())
            self._catalog.put(f"/attributegroup/{table_name(schema, table)}/RID;{columns}", json=latest)

    def _link(self, schema: str, table: str, files: Iterable[OutputFile], known: Known) -> None:
        """Tell which execution made the files, and what they are."""
        arrived = [(known[file.key]["RID"], file) for file in files if file.key in known]
        link = self._association(table, "Execution")
        outputs = [
            {link.asset_column: rid, link.other_column: self._execution, "Asset_Role": "Output"}
            for rid in dict.fromkeys(rid for rid, _ in arrived)
        ]
        insert(self._catalog, link.schema, link.table, outputs, skip_conflicts=True)
        link = self._association(table, "Asset_Type")
        pairs = {(rid, term) for rid, file in arrived for term in file.entry.asset_types}
        types = [{link.asset_column: rid, link.other_column: term} for rid, term in sorted(pairs)]
        insert(self._catalog, link.schema, link.table, types, skip_conflicts=True)

    def _association(self, table: str, other: str) -> Link:
        found, asset_column, other_column = self._model.find_association(table, other)
        return Link(found.schema.name, found.name, asset_column, other_column)


class _Meter:
    """Adds up bytes and tells the caller."""

    def __init__(self, tell: ProgressCallback | None, total: int) -> None:
        self._tell = tell
        self._total = total
        self._done = 0
        self._parts: dict[str, int] = defaultdict(int)  # bytes of files that are being sent

    def advance(self, file: OutputFile, size: int) -> None:
        """Some bytes more of a file."""
        self._done += size
        self._parts[file.entry.path] += size
        if self._tell:
            percent = 100.0 * self._done / self._total if self._total else 100.0
            name = file.entry.file_name
            self._tell(UploadProgress(str(file.path), name, self._done, self._total, percent, message=name))

    def complete(self, file: OutputFile) -> None:
        """The rest of a file."""
        told = self._parts.get(file.entry.path)
        if told is None or told < file.size:
            self.advance(file, file.size - (told or 0))
        self._parts.pop(file.entry.path, None)


def _concerns_all(error: Exception) -> bool:
    """Whether an error will be that of every further file, too: the host does not answer, or not any more."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return bool(error.response.status_code in (401, 429) or error.response.status_code >= 500)
    return isinstance(error, requests.RequestException)


def files_below(folder: Path) -> Iterator[Path]:
    """Every file and symbolic link in a folder."""
    return (path for path in sorted(folder.rglob("*")) if path.is_symlink() or path.is_file())
