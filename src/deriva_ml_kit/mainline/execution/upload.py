"""Uploading output files: objects into Hatrac in parallel, rows into the asset tables in batches.

In: the registered files of an execution. Out: their rows, linked to the execution and to their types. The rows and
objects are those that the release's uploader makes, but for three things: every file name is accepted, metadata that
were not given stay NULL, and it runs in any thread. Doing it twice changes nothing: an object that is there is not sent
again, a row with the same MD5 and file name is used again (and linked to this execution as well).

Sources: Hatrac's REST-API (`PUT` of an object with `If-None-Match: *`), `deriva_ml.dataset.upload` for the names.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from deriva.core import ConcurrentUpdate, urlquote
from deriva.core.hatrac_store import HatracStore
from deriva.core.utils import hash_utils, mime_utils

from deriva_ml_kit.mainline.catalog.rows import Row, any_of, batches, insert, said, table_name
from deriva_ml_kit.mainline.execution.outputs import Registered
from deriva_ml_kit.mainline.execution.report import ProgressCallback, UploadProgress, UploadReport

WORKERS = 4
WHOLE_BYTES = 25 * 1024 * 1024  # larger objects go in chunks, as the library does it
LOOKUP_BATCH = 100  # MD5 sums in one request path: some servers stop at 8 KB


@dataclass(frozen=True)
class OutputFile:
    """A registered file, measured.

    Attributes:
        entry: What was registered.
        path: The file.
        size: Bytes.
        md5: Hexadecimal MD5.
        sha256: Base64 SHA-256.
    """

    entry: Registered
    path: Path
    size: int
    md5: str
    sha256: str

    @property
    def key(self) -> tuple[str, str]:
        """What makes two files the same asset."""
        return self.md5, self.entry.file_name


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
        hostname: Host of the object store.
        credential: Credential for the host.
        execution_rid: Execution whose outputs the files are.
    """

    def __init__(self, catalog: Any, model: Any, hostname: str, credential: Any, execution_rid: str) -> None:
        self._catalog = catalog
        self._model = model
        self._hostname = hostname
        self._credential = credential
        self._execution = execution_rid
        self._thread = threading.local()

    def upload(
        self, root: Path, entries: Sequence[Registered], report: UploadReport, progress: ProgressCallback | None = None
    ) -> dict[str, Row]:
        """Upload files and register them in the catalog; what fails is counted, the rest goes on.

        Args:
            root: Folder that the entries' paths are relative to.
            entries: The files.
            report: Takes counts and errors.
            progress: Told after each file, in the caller's thread.

        Returns:
            Row of each file that is in the catalog now, by its registered path.
        """
        tables: dict[str, list[OutputFile]] = defaultdict(list)
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="upload") as pool:
            for file in pool.map(lambda entry: measured(root, entry), entries):
                tables[file.entry.table].append(file)
            meter = _Meter(progress, sum(file.size for files in tables.values() for file in files))
            rows: dict[str, Row] = {}
            for table, files in tables.items():
                rows |= self._upload_table(pool, table, files, report, meter)
        return rows

    def _upload_table(
        self, pool: ThreadPoolExecutor, qualified: str, files: list[OutputFile], report: UploadReport, meter: _Meter
    ) -> dict[str, Row]:
        schema, table = qualified.split("/")
        known = self._existing(schema, table, files)
        new = {file.key: file for file in files if file.key not in known}
        for file in files:
            if file.key in known:
                meter.finished(file)
        sent, failures = self._send(pool, list(new.values()), meter)
        known |= self._insert(schema, table, sent)
        self._update_metadata(schema, table, [file for file in files if file.key not in new], known)
        self._link(schema, table, files, known)
        arrived = [file for file in files if file.key in known]
        report.count(f"{schema}:{table}", uploaded=len(arrived), failed=len(files) - len(arrived))
        report.errors += failures
        return {file.entry.path: known[file.key] for file in arrived}

    def _existing(self, schema: str, table: str, files: Iterable[OutputFile]) -> dict[tuple[str, str], Row]:
        found: dict[tuple[str, str], Row] = {}
        for sums in batches(sorted({file.md5 for file in files}), LOOKUP_BATCH):
            path = f"/entity/{table_name(schema, table)}/{any_of('MD5', sums)}"
            found |= {(row["MD5"], row["Filename"]): row for row in self._catalog.get(path).json()}
        return found

    def _send(
        self, pool: ThreadPoolExecutor, files: list[OutputFile], meter: _Meter
    ) -> tuple[list[tuple[OutputFile, str]], list[str]]:
        """Put the objects; gives files with their URL, and a line for each that failed."""
        sent: list[tuple[OutputFile, str]] = []
        failures: list[str] = []
        running: dict[Future[str], OutputFile] = {pool.submit(self._put, file): file for file in files}
        try:
            for done in as_completed(running):
                file = running[done]
                try:
                    sent.append((file, done.result()))
                except (requests.RequestException, OSError, ValueError) as error:
                    failures.append(f"{file.entry.table}/{file.entry.file_name}: {said(error)}")
                else:
                    meter.finished(file)
        finally:
            for waiting in running:  # an interrupt must not wait for thousands of files
                waiting.cancel()
        return sent, failures

    def _put(self, file: OutputFile) -> str:
        """Put one object unless it is there; gives its versioned URL path."""
        store: Any = getattr(self._thread, "store", None)
        if store is None:
            store = self._thread.store = HatracStore("https", self._hostname, self._credential)
        table, name = file.entry.table.split("/")[1], file.entry.file_name
        path = f"/hatrac/{urlquote(table, '')}/{file.md5}.{urlquote(name, '')}"
        md5 = base64.b64encode(bytes.fromhex(file.md5)).decode()
        described = {
            "content_type": mime_utils.guess_content_type(name),
            "content_disposition": f"filename*=UTF-8''{urlquote(name, '')}",
        }
        if not 0 < file.size <= WHOLE_BYTES:
            location = store.put_loc(path, str(file.path), md5=md5, sha256=file.sha256, chunked=True, **described)
            return str(location)
        headers = {
            "If-None-Match": "*",
            "Content-MD5": md5,
            "Content-SHA256": file.sha256,
            "Content-Type": described["content_type"],
            "Content-Disposition": described["content_disposition"],
        }
        try:
            answer = store.put(f"{path}?parents=true", data=file.path.read_bytes(), headers=headers)
        except ConcurrentUpdate:  # 412: it is there already, from an attempt that got no further
            return self._location(store, path, md5)
        location = answer.text.strip() or answer.headers["Location"]
        return str(location).removeprefix(f"https://{self._hostname}")

    @staticmethod
    def _location(store: Any, path: str, md5: str) -> str:
        """URL path of an object that was there before; its name holds its MD5, so it must have that content."""
        answer = store.head(path)
        if answer.headers.get("Content-MD5") != md5:
            raise ValueError(f"the object store holds other content at {path}")
        return str(answer.headers["Content-Location"])

    def _insert(self, schema: str, table: str, sent: list[tuple[OutputFile, str]]) -> dict[tuple[str, str], Row]:
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
            for row in insert(self._catalog, schema, table, rows, defaults=sorted(defaults))
        )
        return {(row["MD5"], row["Filename"]): row for row in inserted}

    def _update_metadata(
        self, schema: str, table: str, files: Iterable[OutputFile], known: dict[tuple[str, str], Row]
    ) -> None:
        """Metadata given now win over those of an earlier upload of the same file, as in the release."""
        for file in files:
            row = known[file.key]
            changed = {k: v for k, v in file.entry.metadata.items() if v is not None and row.get(k) != v}
            if changed:
                columns = ",".join(urlquote(name, "") for name in changed)
                path = f"/attributegroup/{table_name(schema, table)}/RID;{columns}"
                self._catalog.put(path, json=[{"RID": row["RID"], **changed}])
                row |= changed

    def _link(self, schema: str, table: str, files: Iterable[OutputFile], known: dict[tuple[str, str], Row]) -> None:
        """Tell which execution made the files, and what they are."""
        arrived = [(known[file.key]["RID"], file) for file in files if file.key in known]
        link = self._association(table, "Execution")
        outputs = [
            {link.asset_column: rid, link.other_column: self._execution, "Asset_Role": "Output"} for rid, _ in arrived
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

    def finished(self, file: OutputFile) -> None:
        self._done += file.size
        if self._tell:
            percent = 100.0 * self._done / self._total if self._total else 100.0
            name = file.entry.file_name
            self._tell(UploadProgress(str(file.path), name, self._done, self._total, percent, message=name))


def measured(root: Path, entry: Registered) -> OutputFile:
    """Size and checksums of a registered file; small files are read once, large ones in pieces."""
    path = root / entry.path
    size = path.stat().st_size
    if size > WHOLE_BYTES:
        sums = hash_utils.compute_file_hashes(str(path), ["md5", "sha256"])
        return OutputFile(entry, path, size, sums["md5"][0], sums["sha256"][1])
    content = path.read_bytes()
    sha256 = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return OutputFile(entry, path, len(content), hashlib.md5(content, usedforsecurity=False).hexdigest(), sha256)


def files_below(folder: Path) -> Iterator[Path]:
    """Every file and symbolic link in a folder."""
    return (path for path in sorted(folder.rglob("*")) if path.is_symlink() or path.is_file())
