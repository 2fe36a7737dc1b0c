"""Whether the files of a bag on disk are all there and unchanged, from the bag's own manifests.

Goes in: the folder of a BagIt bag. Comes out: the problems found, none if the bag is good. Pure but for reading files.
Format: RFC 8493 (manifests, fetch.txt, percent-encoded line ends in names).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One file of a bag that is missing or not what it was."""

    name: str
    message: str

    def __str__(self) -> str:
        return f"{self.name} {self.message}"


def verify_bag(bag: Path, *, materialized: bool = True, checksums: bool = True) -> list[Problem]:
    """Compare a bag with its manifests.

    Args:
        bag: The folder that holds ``bagit.txt``.
        materialized: Whether the files named in ``fetch.txt`` must be there too.
        checksums: Read every file; otherwise only see that it is there and has the length that ``fetch.txt`` states.

    Returns:
        Each missing or changed file.
    """
    if not (bag / "bagit.txt").is_file():
        return [Problem("bagit.txt", "is missing: this is no bag")]
    remote = fetch_lengths(bag)
    return list(_problems(bag, remote, materialized, checksums))


def remote_files(bag: Path) -> Iterator[tuple[str, int | None, str]]:
    """Yield the files that a bag refers to: URL, length in bytes (None where not stated), path in the bag."""
    fetch = bag / "fetch.txt"
    if fetch.is_file():
        for line in _lines(fetch):
            url, length, path = line.split(maxsplit=2)
            yield url, int(length) if length.isdigit() else None, _decoded(path)


def fetch_lengths(bag: Path) -> dict[str, int | None]:
    """Return the files that a bag refers to by URL: path in the bag to length in bytes (None where not stated)."""
    return {path: length for _url, length, path in remote_files(bag)}


def manifest_sums(bag: Path, algorithm: str) -> dict[str, str]:
    """Return the checksums of a bag's payload: path in the bag to checksum in hexadecimal."""
    manifest = bag / f"manifest-{algorithm}.txt"
    return dict(_entries(manifest)) if manifest.is_file() else {}


def _problems(bag: Path, remote: dict[str, int | None], materialized: bool, checksums: bool) -> Iterator[Problem]:
    for manifest in sorted([*bag.glob("manifest-*.txt"), *bag.glob("tagmanifest-*.txt")]):
        algorithm = manifest.stem.split("-", 1)[1]
        for name, wanted in _entries(manifest):
            if name in remote and not materialized:
                continue
            file = bag / name
            if not file.is_file():
                yield Problem(name, "is missing")
            elif (length := remote.get(name)) is not None and file.stat().st_size != length:
                yield Problem(name, f"has {file.stat().st_size} bytes, not {length}")
            elif checksums and (found := _digest(file, algorithm)) != wanted:
                yield Problem(name, f"has the {algorithm} checksum {found}, not {wanted}")


def _entries(manifest: Path) -> Iterator[tuple[str, str]]:
    for line in _lines(manifest):
        wanted, name = line.split(maxsplit=1)
        yield _decoded(name), wanted.lower()


def _lines(file: Path) -> list[str]:
    # Not splitlines: a name may hold U+2028 and the like.
    return [line for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]


def _decoded(name: str) -> str:
    name = name.strip()
    return name.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")


def _digest(file: Path, algorithm: str) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()
