"""What executions have recorded about their writes: every `writes.jsonl` of a catalog, fetched once and kept."""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.ops.writes import TABLE, WRITES

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML
    from deriva_ml_kit.tools.call import Call

Place = tuple[str, str]  # schema and table


@dataclass
class Recorded:
    """What is recorded in a catalog.

    Attributes:
        rows: RIDs of rows, by schema and table.
        tables: Tables that were made.
        executions: How many executions have such a record.
        unreadable: RIDs of executions whose record cannot be read.
    """

    rows: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    tables: set[Place] = field(default_factory=set)
    executions: int = 0
    unreadable: list[str] = field(default_factory=list)

    def take(self, lines: Iterable[str]) -> None:
        """Add what a record says.

        Raises:
            ValueError: It is no record.
        """
        for line in lines:
            said = json.loads(line)
            if "rids" in said:
                self.rows[said["schema"], said["table"]].update(said["rids"])
            elif said.get("made") == "table":
                self.tables.add((said["schema"], said["table"]))


def recorded_in(call: Call) -> Recorded:
    """Everything that executions of a catalog have recorded."""
    ml = call.ml
    found = Recorded()
    files: dict[str, dict[str, Any]] = {}
    executions: dict[str, list[str]] = defaultdict(list)
    for row in _links(ml):
        files[row["MD5"]] = row
        executions[row["MD5"]].append(row["Execution"])
    folder = ml.cache_dir / "writes"
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(ml.limits.workers, thread_name_prefix="records") as pool:
        texts = pool.map(partial(_text, ml, folder, threading.local()), files.values())
        for done, (md5, text) in enumerate(zip(files, texts, strict=True)):
            if done % 50 == 0:
                call.progress(done, len(files), f"{done} of {len(files)} records are read")
            try:
                found.take(text.splitlines())
                found.executions += len(executions[md5])
            except (ValueError, LookupError, TypeError):
                found.unreadable += executions[md5]
    return found


def _links(ml: DerivaML) -> Iterable[dict[str, Any]]:
    """Execution, MD5 and URL of every record."""
    from deriva.core import urlquote  # noqa: PLC0415  (takes seconds)

    from deriva_ml_kit.mainline.asset.links import execution_link  # noqa: PLC0415
    from deriva_ml_kit.mainline.catalog.paged import paged  # noqa: PLC0415
    from deriva_ml_kit.mainline.catalog.rows import table_name  # noqa: PLC0415

    table = ml.model.schemas[ml.ml_schema].tables[TABLE]
    link = execution_link(table)
    if link is None:
        return ()
    files = f"{table_name(ml.ml_schema, TABLE)}/Filename={urlquote(WRITES, '')}"
    made = paged(ml.catalog, f"{files}{link.from_asset}/Asset_Role=Output", wanted=["RID", link.asset, link.other])
    by_asset: dict[str, list[str]] = defaultdict(list)
    for row in made:
        by_asset[row[link.asset]].append(row[link.other])
    return [
        {"MD5": row["MD5"], "URL": row["URL"], "Execution": execution}
        for row in paged(ml.catalog, files, wanted=["RID", "MD5", "URL"])
        for execution in by_asset[row["RID"]]
    ]


def _text(ml: DerivaML, folder: Path, thread: Any, row: dict[str, Any]) -> str:
    """The text of a record; nothing that can be read if it is gone, or is not what the catalog describes."""
    import requests  # noqa: PLC0415  (takes seconds)
    from deriva.core.hatrac_store import HatracHashMismatch  # noqa: PLC0415

    from deriva_ml_kit.mainline.catalog.transport import object_store  # noqa: PLC0415

    kept = folder / f"{row['MD5']}.jsonl"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=folder) as part:
            file = Path(part) / "file"
            try:
                if not hasattr(thread, "store"):
                    thread.store = object_store(ml.host_name, ml.credential, ml.limits)
                thread.store.get_obj(row["URL"].removeprefix(f"https://{ml.host_name}"), destfilename=str(file))
            except HatracHashMismatch:
                return "damaged"
            except requests.HTTPError as error:
                if error.response.status_code != 404:
                    raise
                return "gone"
            if hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() != row["MD5"]:
                return "damaged"
            file.replace(kept)
    return kept.read_text(encoding="utf-8")
