"""A bag is good only if every file that its manifests name is there and unchanged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from bdbag import bdbag_api

from deriva_ml_kit.mainline.bag.verify import fetch_lengths, verify_bag

REMOTE = {"data/asset/1-AAAA/Image/a b.png": b"one", "data/asset/1-AAAB/Image/50%.png": b"three"}


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A bag of one table and two remote files that are not fetched yet, made by bdbag itself."""
    folder = tmp_path / "Dataset_1-AAAA"
    folder.mkdir()
    (folder / "Image.csv").write_text("RID\n1-AAAA\n")
    entries = [
        {
            "url": f"https://host/{number}",
            "length": len(content),
            "filename": name.removeprefix("data/"),
            "md5": hashlib.md5(content).hexdigest(),
        }
        for number, (name, content) in enumerate(REMOTE.items())
    ]
    manifest = tmp_path / "remote.json"
    manifest.write_text(json.dumps(entries))
    bdbag_api.make_bag(str(folder), algs=["md5"], remote_file_manifest=str(manifest))
    return folder


def fetch(bag: Path) -> None:
    for name, content in REMOTE.items():
        (bag / name).parent.mkdir(parents=True, exist_ok=True)
        (bag / name).write_bytes(content)


def test_a_complete_bag_has_no_problems(bag: Path) -> None:
    fetch(bag)
    assert verify_bag(bag) == []
    bdbag_api.validate_bag(str(bag))


def test_the_lengths_of_remote_files_are_read_with_their_names_decoded(bag: Path) -> None:
    assert fetch_lengths(bag) == {name: len(content) for name, content in REMOTE.items()}


def test_a_bag_without_its_remote_files_is_good_only_as_metadata(bag: Path) -> None:
    assert verify_bag(bag, materialized=False) == []
    assert [(problem.name, problem.message) for problem in verify_bag(bag)] == [(name, "is missing") for name in REMOTE]


@pytest.mark.parametrize(
    ("damage", "problem", "needs_checksums"),
    [
        (lambda bag: (bag / next(iter(REMOTE))).write_bytes(b"won"), "md5 checksum", True),
        (lambda bag: (bag / next(iter(REMOTE))).write_bytes(b"on"), "has 2 bytes, not 3", False),
        (lambda bag: (bag / "data/Image.csv").unlink(), "data/Image.csv is missing", False),
        (lambda bag: (bag / "data/Image.csv").write_text("RID\n1-AAAB\n"), "md5 checksum", True),
        (lambda bag: (bag / "fetch.txt").write_text(""), "fetch.txt has the", True),
        (lambda bag: (bag / "bagit.txt").unlink(), "no bag", False),
    ],
)
def test_each_damage_is_named(bag: Path, damage: Callable[[Path], object], problem: str, needs_checksums: bool) -> None:
    fetch(bag)
    damage(bag)
    assert problem in str(verify_bag(bag)[0])
    assert bool(verify_bag(bag, checksums=False)) != needs_checksums
