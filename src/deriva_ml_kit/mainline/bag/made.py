"""A bag without its asset files, made here of answers of the catalog, in a folder that is complete or not there.

The release has the server export it: order, archive, download, unpacking; which takes longer, starts all over when the
connection breaks, and ends after ten minutes. Layout and names are those of the server's bags, so whatever reads those
reads these. Format: RFC 8493; `fetch.txt` names the asset files, which `fetch` brings.
"""

from __future__ import annotations

import csv
import hashlib
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva.core.utils.hash_utils import decodeBase64toHex
from deriva_ml.dataset.aux_classes import DatasetSpec

from deriva_ml_kit.mainline.bag.exported import TableFile, table_files
from deriva_ml_kit.mainline.catalog.rows import Row
from deriva_ml_kit.mainline.catalog.transport import BROKEN
from deriva_ml_kit.mainline.errors import DerivaMLDataError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

CHUNK_BYTES = 1 << 20
DECLARATION = "BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n"


@dataclass(frozen=True)
class RemoteFile:
    """A file of a bag that lies on a server.

    Attributes:
        url: Where.
        length: Bytes.
        md5: MD5 in hexadecimal.
        place: Its path in the bag.
    """

    url: str
    length: int
    md5: str
    place: str


def make_bag(as_it_was: DerivaML, spec: DatasetSpec, cache_dir: Path) -> tuple[Path, str]:
    """Make the bag of a dataset version in the cache; the same bag that is there already is used as it is.

    Args:
        as_it_was: The catalog in the snapshot of the version.
        spec: The dataset.
        cache_dir: The cache.

    Returns:
        Folder of the bag, and the checksum that its parent is named after.

    Raises:
        DerivaMLDataError: An asset has neither length nor MD5, in the catalog or on its server.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{spec.rid}-", dir=cache_dir) as temporary:
        bag = Path(temporary) / "new" / f"Dataset_{spec.rid}"
        files = table_files(as_it_was, spec)
        sums = _fetch_tables(as_it_was, files, bag)
        remote = list(_remote_files(as_it_was, files))
        checksum = _write_tags(bag, sums, remote)
        folder = cache_dir / f"{spec.rid}_{checksum}"
        try:
            bag.parent.rename(folder)
        except OSError:
            if not (folder / bag.name / "bagit.txt").is_file():
                raise
    return folder / f"Dataset_{spec.rid}", checksum


def count_rows(bag: Path) -> int:
    """Rows in all tables of a bag; one that several ways lead to counts once."""
    files: dict[str, list[Path]] = {}
    for file in sorted((bag / "data").rglob("*.csv")):
        files.setdefault(file.name, []).append(file)
    return sum(len({rid for file in same for rid in _rids(file)}) for same in files.values())


def _rids(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            yield row["RID"]


def _fetch_tables(as_it_was: DerivaML, files: list[TableFile], bag: Path) -> dict[str, str]:
    """Write schema and tables, several at a time; gives the checksum of each file."""
    wanted = {"data/schema.json": ("/schema", "application/json")}
    wanted |= {f"data/{file.place}.csv": (f"/entity/{file.path}", "text/csv") for file in files}
    for place in wanted:
        (bag / place).parent.mkdir(parents=True, exist_ok=True)

    def fetch(place: str) -> str | None:
        path, kind = wanted[place]
        return _answer_to_file(as_it_was, path, kind, bag / place)

    with ThreadPoolExecutor(as_it_was.limits.workers, thread_name_prefix="export") as pool:
        sums = dict(zip(wanted, pool.map(fetch, wanted), strict=True))
    return {place: md5 for place, md5 in sums.items() if md5}


def _answer_to_file(ml: DerivaML, path: str, kind: str, file: Path) -> str | None:
    """Stream an answer into a file; gives its MD5, or None, and no file, if it has no rows."""
    for attempt, pause in enumerate(ml.limits.pauses(), start=1):
        answer = ml.catalog.get(path, headers={"Accept": kind}, stream=True)
        digest = hashlib.md5(usedforsecurity=False)
        lines = 0
        try:
            with file.open("wb") as target, answer:
                for chunk in answer.iter_content(CHUNK_BYTES):
                    digest.update(chunk)
                    lines += chunk.count(b"\n")
                    target.write(chunk)
        except BROKEN:
            if attempt >= ml.limits.attempts:
                raise
            time.sleep(pause)
            continue
        if kind == "text/csv" and lines < 2:
            file.unlink()
            return None
        return digest.hexdigest()
    raise AssertionError  # pauses have no end


def _remote_files(as_it_was: DerivaML, files: list[TableFile]) -> Iterator[RemoteFile]:
    seen: set[str] = set()
    for file in files:
        if file.assets:
            columns = "RID,URL,Filename,Length,MD5"
            for row in as_it_was.catalog.get(f"/attribute/{file.path}/!(URL::null::)/{columns}").json():
                if row["RID"] not in seen:
                    seen.add(row["RID"])
                    yield _remote_file(as_it_was, file.table, row)


def _remote_file(ml: DerivaML, table: str, row: Row) -> RemoteFile:
    url = row["URL"] if "://" in row["URL"] else f"https://{ml.host_name}/{row['URL'].lstrip('/')}"
    length, md5 = row["Length"], row["MD5"]
    if length is None or not md5:
        length, md5 = _ask(ml, url, row)
    # A name in the catalog is no path: nothing outside the folder is ever written.
    name = (row["Filename"] or row["URL"].rpartition("/")[2].partition(":")[0]).replace("\\", "/").rpartition("/")[2]
    name = name if name not in {"", ".", ".."} else row["RID"]
    return RemoteFile(url, int(length), md5.lower(), f"data/asset/{row['RID']}/{table}/{name}")


def _ask(ml: DerivaML, url: str, row: Row) -> tuple[int, str]:
    headers: Any = ml.catalog._session.head(url).headers if url.startswith(f"https://{ml.host_name}/") else {}
    if "Content-Length" not in headers or "Content-MD5" not in headers:
        raise DerivaMLDataError(
            f"Asset {row['RID']} ({row['Filename']}) has no length or MD5, in the catalog or at {url}.",
            remedy="Correct its row, or delete it.",
        )
    return int(headers["Content-Length"]), str(decodeBase64toHex(headers["Content-MD5"]))


def _write_tags(bag: Path, sums: dict[str, str], remote: list[RemoteFile]) -> str:
    """Write what makes a folder a bag; gives the checksum of it all, the same for the same content."""
    octets = sum((bag / place).stat().st_size for place in sums) + sum(file.length for file in remote)
    manifest = sums | {file.place: file.md5 for file in remote}
    tags = {
        "bagit.txt": DECLARATION,
        "bag-info.txt": f"Payload-Oxum: {octets}.{len(manifest)}\n",
        "manifest-md5.txt": _manifest(manifest),
    }
    if remote:
        lines = sorted(f"{file.url}\t{file.length}\t{_encoded(file.place)}\n" for file in remote)
        tags["fetch.txt"] = "".join(lines)
    tags["tagmanifest-md5.txt"] = _manifest(
        {name: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for name, text in tags.items()}
    )
    for name, text in tags.items():
        (bag / name).write_bytes(text.encode())
    return hashlib.sha256(tags["tagmanifest-md5.txt"].encode()).hexdigest()


def _manifest(sums: dict[str, str]) -> str:
    return "".join(f"{md5}  {_encoded(place)}\n" for place, md5 in sorted(sums.items()))


def _encoded(place: str) -> str:
    return place.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")
