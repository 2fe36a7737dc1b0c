"""warm_cache.py: a dataset version lies in the cache, complete and verified, and is found there again."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.errors import KitError
from deriva_ml_kit.mainline.bag.preview import Preview, require_space, size

pytestmark = pytest.mark.catalog


@dataclass(frozen=True)
class Datasets:
    """An inner dataset of four images in two versions, and an outer one that holds it and one image more."""

    inner: str
    outer: str
    versions: tuple[str, str]


@pytest.fixture(scope="session")
def datasets(gallery: Any) -> Datasets:
    ml = gallery.ml
    inner = ml.create_dataset(["Training"], "Four images")
    ml.add_dataset_members(inner, {"Image": list(gallery.images[:3])})
    first = str(ml.dataset_version(inner))
    ml.add_dataset_members(inner, {"Image": [gallery.images[3]]})
    outer = ml.create_dataset([], "Holds the four and one more")
    ml.add_dataset_members(outer, {"Image": [gallery.images[4]], "Dataset": [inner]})
    return Datasets(inner, outer, (first, str(ml.dataset_version(inner))))


def warm(project: Any, rid: str, *more: object, **options: Any) -> Any:
    cache = project.folder.parent / "cache"
    return project.run("warm", "--dataset-rid", rid, "--json", "--cache-dir", cache, *more, **options)


def test_the_current_version_is_fetched_and_then_found_in_the_cache(
    gallery: Any, project: Any, datasets: Datasets
) -> None:
    first = warm(project, datasets.inner)
    assert first.code == 0, first.err
    result = first.result
    assert (result["status"], result["version"], result["materialized"]) == ("fetched", datasets.versions[-1], True)
    assert "4 files of" in first.err
    assert result["files"] == 4
    assert result["bytes"] == sum(len(f"picture {n}") for n in range(4))
    fetched = sorted(path.read_bytes() for path in Path(result["bag"]).rglob("*.png"))
    assert fetched == [f"picture {n}".encode() for n in range(4)]

    before = gallery.snaptime
    second = warm(project, datasets.inner, "--verify")
    assert (second.code, second.result["status"], second.result["bag"]) == (0, "already cached", result["bag"])
    assert gallery.snaptime == before


def test_only_exactly_the_version_that_is_asked_for_counts_as_cached(project: Any, datasets: Datasets) -> None:
    older, newer = datasets.versions
    assert warm(project, datasets.inner, "--version", older).result["files"] == 3
    result = warm(project, datasets.inner, "--version", newer).result
    assert (result["status"], result["files"]) == ("fetched", 4)


def test_nested_datasets_come_along(project: Any, datasets: Datasets) -> None:
    assert warm(project, datasets.outer).result["files"] == 5


def test_without_network_a_cached_version_is_found_and_another_one_is_not(project: Any, datasets: Datasets) -> None:
    older, newer = datasets.versions
    warm(project, datasets.inner, "--version", newer)
    cache = project.folder.parent / "cache/index"
    nobody = f"localhost:{free_port()}"  # the same catalog, but for nobody listening there any more
    shutil.copytree(cache / project.where[1].replace(":", "_"), cache / nobody.replace(":", "_"))

    cached = warm(project, datasets.inner, "--version", newer, "--hostname", nobody)
    assert cached.code == 0, cached.err
    assert (cached.result["status"], cached.result["offline"]) == ("already cached", True)
    for other in (["--version", older], []):
        missing = warm(project, datasets.inner, *other, "--hostname", nobody)
        assert missing.code == 2
        assert f"Nothing answers at {nobody}" in missing.result["error"]["message"]
        assert f"--version {newer}" in missing.result["error"]["message"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_rows_alone_are_fetched_without_files_and_completed_later(project: Any, datasets: Datasets) -> None:
    rows = warm(project, datasets.inner, "--metadata-only")
    assert rows.code == 0, rows.err
    assert rows.result["materialized"] is False
    assert not list(Path(rows.result["bag"]).rglob("*.png"))
    assert warm(project, datasets.inner, "--metadata-only").result["status"] == "already cached"
    full = warm(project, datasets.inner).result
    assert (full["status"], full["materialized"]) == ("fetched", True)
    assert warm(project, datasets.inner, "--metadata-only").result["status"] == "already cached"


@pytest.mark.parametrize("damage", ["lost", "longer", "changed", "table lost"])
def test_a_damaged_bag_is_noticed_and_repaired(project: Any, datasets: Datasets, damage: str) -> None:
    bag = Path(warm(project, datasets.inner).result["bag"])
    picture, table = next(bag.rglob("*.png")), next(bag.rglob("Image.csv"))
    content = picture.read_bytes()
    if damage == "lost":
        picture.unlink()
    elif damage == "table lost":
        table.unlink()
    else:
        picture.write_bytes(content + b"!" if damage == "longer" else content[::-1])
    again = warm(project, datasets.inner, *(["--verify"] if damage == "changed" else []))
    assert again.code == 0, again.err
    assert again.result["status"] == "fetched"
    assert picture.read_bytes() == content
    assert table.exists()
    assert warm(project, datasets.inner, "--verify").result["status"] == "already cached"


def test_an_index_entry_of_another_catalog_at_this_address_is_not_believed(project: Any, datasets: Datasets) -> None:
    warm(project, datasets.inner)
    [entry] = (project.folder.parent / "cache").rglob(f"index/**/{datasets.inner}@*.json")
    entry.write_text(json.dumps(json.loads(entry.read_text()) | {"snapshot": "2TA-0000-0000"}))
    assert warm(project, datasets.inner).result["status"] == "fetched"


def test_a_dry_run_says_what_would_come_and_fetches_nothing(project: Any, datasets: Datasets) -> None:
    done = warm(project, datasets.inner, "--dry-run")
    assert (done.code, done.result["status"], done.result["files"]) == (0, "would fetch", 4)
    assert done.result["tables"]["Image"] == 4
    assert not list((project.folder.parent / "cache").rglob("*.csv"))


@pytest.mark.parametrize(
    ("rid", "version", "words"),
    [
        ("inner", "9.9.9", "has no version 9.9.9"),
        ("inner", "0.2.0.post1.dev3", "development version"),
        ("inner", "newest", "no version of the form"),
        ("9-ZZZZ", None, "has the RID 9-ZZZZ"),
        ("not a RID", None, "has the RID not a RID"),
    ],
)
def test_what_does_not_exist_is_answered_with_what_does(
    project: Any, datasets: Datasets, rid: str, version: str | None, words: str
) -> None:
    named = ["--version", version] if version else []
    done = warm(project, datasets.inner if rid == "inner" else rid, *named)
    assert done.code == 2
    assert words in done.result["error"]["message"]
    if version:
        assert datasets.versions[-1] in done.result["error"]["remedy"]


def test_a_dataset_that_does_not_fit_on_the_disk_is_refused_with_figures(tmp_path: Path) -> None:
    huge = Preview({"Image": 10}, files=10, bytes=10**18)
    with pytest.raises(KitError, match=r"1000000\.0 TB .* has [0-9.]+ [MG]B free") as refused:
        require_space(tmp_path, huge, files=True)
    assert refused.value.exit_code == 1
    require_space(tmp_path, huge, files=False)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1_800_000, "1.8 MB"), (10**13, "10.0 TB")]
)
def test_sizes_read_well(count: int, text: str) -> None:
    assert size(count) == text
