"""Files of assets that executions share, kept in the cache folder under `assets/RID_MD5`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_ENTRY = re.compile(r"([-0-9A-Z]+)_([0-9a-f]{32})")


class CachedAsset(BaseModel):
    """An asset's file in the cache folder.

    Attributes:
        rid: RID of the asset.
        md5: Checksum of its file; another file of the same asset is another entry.
        file_count: How many files there are: one, or none if it was not fetched to the end.
        size_bytes: Their bytes.
        modified: When the entry changed last.
        path: Its folder.
    """

    model_config = ConfigDict(frozen=True)

    rid: str
    md5: str
    file_count: int
    size_bytes: int
    modified: datetime
    path: Path


def folder_of(cache_dir: Path, rid: str, md5: str) -> Path:
    """Where the file of an asset is kept."""
    return Path(cache_dir) / "assets" / f"{rid}_{md5.lower()}"


def cached(cache_dir: Path) -> Iterator[CachedAsset]:
    """Yield what is kept, by RID; anything else in the folder is left out."""
    for folder in sorted((Path(cache_dir) / "assets").glob("*_*")):
        entry = _ENTRY.fullmatch(folder.name)
        if not entry or not folder.is_dir():
            continue
        sizes = [file.stat().st_size for file in folder.iterdir() if file.is_file()]
        yield CachedAsset(
            rid=entry[1],
            md5=entry[2],
            file_count=len(sizes),
            size_bytes=sum(sizes),
            modified=datetime.fromtimestamp(folder.stat().st_mtime, UTC),
            path=folder,
        )


def delete(cache_dir: Path, rid: str, md5: str | None = None) -> dict[str, int]:
    """Remove what is kept of an asset: all of its files, or one.

    Returns:
        `assets_removed` and `bytes_freed`; zeros if there was nothing.
    """
    found = [entry for entry in cached(cache_dir) if entry.rid == rid and md5 in {None, entry.md5}]
    for entry in found:
        shutil.rmtree(entry.path)
    return {"assets_removed": len(found), "bytes_freed": sum(entry.size_bytes for entry in found)}
