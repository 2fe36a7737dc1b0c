"""Files of a bag arrive whole, through a network that drops, stalls and cuts; what is there is never fetched again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from deriva_ml_kit.mainline import DatasetSpec, DerivaML, ExecutionConfiguration
from deriva_ml_kit.mainline.bag.cache import obtain
from deriva_ml_kit.mainline.bag.fetch import FOLDER, fetch_files
from deriva_ml_kit.mainline.bag.stored import BagCache, CacheStatus
from deriva_ml_kit.mainline.bag.verify import verify_bag
from deriva_ml_kit.mainline.catalog.transport import Limits
from deriva_ml_kit.mainline.errors import DerivaMLDataError, DerivaMLNotFoundError

pytestmark = pytest.mark.catalog

COUNT = 12
LARGE = 3_000_000
QUICK = Limits(pause_seconds=0.01, longest_pause_seconds=0.05, read_seconds=3, connect_seconds=3)


@dataclass(frozen=True)
class Shelf:
    """A dataset of small images and a large one, in a version."""

    spec: DatasetSpec
    rids: list[str]


@pytest.fixture(scope="module")
def shelf(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    from deriva_ml_kit.mainline import Workflow  # noqa: PLC0415

    ml = lab.connect(tmp_path_factory.mktemp("shelf"))
    flow = Workflow(name="T", workflow_type="Training", url="https://example.org/f.py", checksum="f00d", version="1")
    with ml.create_execution(ExecutionConfiguration(description="Fills the shelf"), workflow=flow) as exe:
        for number in range(COUNT):
            content = f"shelf {number}".encode() if number else os.urandom(LARGE)
            Path(exe.asset_file_path("Image", f"shelf {number}%.png")).write_bytes(content)
    exe.commit_output_assets()
    rows = ml.catalog.get("/attribute/lab:Image/RID,Filename").json()
    rids = sorted(row["RID"] for row in rows if row["Filename"].startswith("shelf "))
    rid = ml.create_dataset([], "A shelf")
    rid = rid if isinstance(rid, str) else rid.dataset_rid
    ml.add_dataset_members(rid, {"Image": rids})
    return Shelf(DatasetSpec(rid=rid, version=str(ml.dataset_version(rid))), rids)


@pytest.fixture
def shaky(faulty_host: Any, lab: Any, tmp_path: Path) -> Iterator[DerivaML]:
    """A connection through the proxy that fails on demand."""
    yield DerivaML(faulty_host.hostname, lab.catalog_id, working_dir=tmp_path / "shaky", limits=QUICK)


def complete(bag: Path) -> bool:
    return verify_bag(bag) == [] and len(list(bag.glob("data/asset/*/Image/*.png"))) == COUNT


def test_a_version_is_fetched_once_and_then_costs_a_few_questions(
    faulty_host: Any, shaky: DerivaML, shelf: Shelf
) -> None:
    bag = shaky.download_dataset_bag(shelf.spec)
    assert complete(bag.path)
    assert len(bag.list_dataset_members()["Image"]) == COUNT
    faulty_host.forget()
    assert shaky.download_dataset_bag(shelf.spec).path == bag.path
    seen = faulty_host.seen()
    assert len(seen) <= 4
    assert not faulty_host.seen(path="export|hatrac")


@pytest.mark.parametrize("kind", ["drop", "lose", "stall", "cut", "unavailable", "bad_gateway"])
def test_what_fails_on_the_way_is_sent_again_and_nothing_else(
    faulty_host: Any, shaky: DerivaML, shelf: Shelf, kind: str
) -> None:
    faulty_host.fail(kind, "GET", "/hatrac/", times=3, seconds=0.2)
    faulty_host.fail(kind, "GET", "/entity/", times=2, skip=3, seconds=0.2)
    assert complete(Path(obtain(shaky, shelf.spec).bag))
    assert len(faulty_host.seen("GET", "/hatrac/")) == COUNT + 3


def test_a_large_file_goes_on_where_it_was_cut(faulty_host: Any, shaky: DerivaML, shelf: Shelf) -> None:
    faulty_host.fail("cut", "GET", "/hatrac/.*shelf[^0-9]*200%25", times=None)
    with pytest.raises(requests.RequestException):
        obtain(shaky, shelf.spec)
    [part] = Path(shaky.cache_dir).glob(f"*/{FOLDER}/*")
    assert part.stat().st_size > 0.9 * LARGE  # each attempt brings half of the rest
    faulty_host.work()
    entry = obtain(shaky, shelf.spec)
    assert complete(Path(entry.bag))
    assert not part.parent.exists()


def test_after_giving_up_the_next_call_goes_on(faulty_host: Any, shaky: DerivaML, shelf: Shelf) -> None:
    faulty_host.fail("drop", "GET", "/hatrac/", times=None, skip=5)
    with pytest.raises(requests.ConnectionError):
        obtain(shaky, shelf.spec)
    [bag] = BagCache(Path(shaky.cache_dir)).list_bags()
    assert bag.status in {CacheStatus.cached_holey, CacheStatus.cached_metadata_only}
    arrived = len(list(bag.path.glob("data/asset/*/Image/*")))
    faulty_host.work()
    faulty_host.forget()
    entry = obtain(shaky, shelf.spec)
    assert complete(Path(entry.bag))
    assert len(faulty_host.seen("GET", "/hatrac/")) == COUNT - arrived
    assert not faulty_host.seen(path="/entity/lab")


def test_the_catalog_is_silent_and_the_version_is_there(faulty_host: Any, shaky: DerivaML, shelf: Shelf) -> None:
    entry = obtain(shaky, shelf.spec)
    faulty_host.fail("drop", times=None)
    assert obtain(shaky, shelf.spec) == entry
    with pytest.raises(requests.ConnectionError):
        obtain(shaky, shelf.spec.model_copy(update={"exclude_tables": {"Digit"}}))


def test_a_file_that_is_not_what_the_bag_says_is_never_there(ml: DerivaML, shelf: Shelf) -> None:
    rows = shelf.spec.model_copy(update={"materialize": False})
    bag = Path(obtain(ml, rows).bag)
    manifest = bag / "manifest-md5.txt"
    first = next(line for line in manifest.read_text().splitlines() if "data/asset/" in line)
    manifest.write_text(manifest.read_text().replace(first.split()[0], "0" * 32))
    for _ in range(2):
        with pytest.raises(DerivaMLDataError, match=r"1 of .* could not be fetched"):
            fetch_files(bag, QUICK, {ml.host_name: ml.credential})
    assert len(list(bag.glob("data/asset/*/Image/*"))) == COUNT - 1


PROGRAM = """
import sys
from deriva_ml_kit.mainline import DatasetSpec, DerivaML
ml = DerivaML(sys.argv[1], sys.argv[2], working_dir=sys.argv[3])
print(ml.download_dataset_bag(DatasetSpec(rid=sys.argv[4], version=sys.argv[5])).path)
"""


def start(lab: Any, folder: Path, spec: DatasetSpec, hostname: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, hostname or lab.hostname, lab.catalog_id, str(folder)]
    return subprocess.Popen([*command, spec.rid, str(spec.version)], stdout=subprocess.PIPE, text=True)


def test_two_programs_at_once_get_the_same_bag(lab: Any, shelf: Shelf, tmp_path: Path) -> None:
    programs = [start(lab, tmp_path, shelf.spec) for _ in range(2)]
    paths = {Path(program.communicate(timeout=120)[0].strip()) for program in programs}
    assert {program.returncode for program in programs} == {0}
    [bag] = paths
    assert complete(bag)
    folders = {path.name for path in bag.parents[1].iterdir()}
    assert folders == {"index", bag.parent.name}


def test_threads_at_once_get_the_same_bag(ml: DerivaML, shelf: Shelf) -> None:
    with ThreadPoolExecutor(3) as pool:
        entries = list(pool.map(lambda _: obtain(ml, shelf.spec), range(3)))
    assert len({entry.bag for entry in entries}) == 1
    assert complete(Path(entries[0].bag))


def test_a_killed_program_leaves_what_the_next_goes_on_from(
    faulty_host: Any, lab: Any, shelf: Shelf, tmp_path: Path
) -> None:
    faulty_host.fail("stall", "GET", "/hatrac/", times=None, skip=4, seconds=30)
    program = start(lab, tmp_path, shelf.spec, faulty_host.hostname)
    deadline = time.monotonic() + 60
    while len(faulty_host.seen("GET", "/hatrac/", "stall")) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    program.send_signal(signal.SIGKILL)
    program.communicate()
    faulty_host.work()
    faulty_host.forget()
    ml = DerivaML(faulty_host.hostname, lab.catalog_id, working_dir=tmp_path, limits=QUICK)
    assert complete(ml.download_dataset_bag(shelf.spec).path)
    assert len(faulty_host.seen("GET", "/hatrac/")) < COUNT


def test_a_version_is_counted_cached_listed_and_removed(ml: DerivaML, shelf: Shelf) -> None:
    info = ml.bag_info(shelf.spec)
    assert (info["status"], info["cache_path"], info["versions_cached"]) == ("not_cached", None, [])
    image = info["tables"]["Image"]
    assert (image["row_count"], image["is_asset"]) == (COUNT, True)
    assert image["asset_bytes"] == info["total_asset_bytes"] > LARGE
    assert info["total_asset_size"] == "2.9 MB"
    assert info["total_rows"] == sum(table["row_count"] for table in info["tables"].values())

    rows = ml.cache_dataset(shelf.spec, materialize=False)
    assert rows["status"] == "cached_metadata_only"
    whole = ml.cache_dataset(shelf.spec)
    assert (whole["status"], whole["cache_path"]) == ("cached_materialized", rows["cache_path"])
    [bag] = ml.list_cached_bags()
    assert (bag.dataset_rid, bag.version, bag.status) == (
        shelf.spec.rid,
        str(shelf.spec.version),
        CacheStatus.cached_materialized,
    )
    assert whole["versions_cached"] == [bag.checksum]
    written = sum(1 for line in (bag.path / "manifest-md5.txt").open() if line.strip())
    assert written > COUNT
    min(bag.path.glob("data/asset/*/Image/*"), key=lambda path: path.stat().st_size).unlink()
    assert ml.bag_info(shelf.spec)["status"] == CacheStatus.cached_incomplete == "cached_holey"

    assert ml.get_cache_size()["total_bytes"] > LARGE
    assert ml.delete_cached_bag(shelf.spec.rid, "9.9.9") == {"bags_removed": 0, "bytes_freed": 0}
    assert ml.delete_cached_bag(shelf.spec.rid, str(shelf.spec.version))["bags_removed"] == 1
    assert ml.list_cached_bags() == []


def test_the_cache_is_cleared_of_what_is_old(ml: DerivaML, shelf: Shelf) -> None:
    ml.cache_dataset(shelf.spec, materialize=False)
    [bag] = ml.list_cached_bags()
    assert ml.clear_cache(older_than_days=1)["dirs_removed"] == 0
    cleared = ml.clear_cache()
    assert (cleared["dirs_removed"], cleared["errors"]) == (1, 0)
    assert not bag.path.exists()
    assert ml.clear_cache()["dirs_removed"] == 0


def test_tables_can_be_left_out(ml: DerivaML, shelf: Shelf) -> None:
    spec = shelf.spec.model_copy(update={"exclude_tables": {"Image"}, "materialize": False})
    assert "Image" not in ml.bag_info(spec)["tables"]
    without, whole = obtain(ml, spec), obtain(ml, shelf.spec.model_copy(update={"materialize": False}))
    assert without.bag != whole.bag
    assert not list(Path(without.bag).rglob("Image.csv"))
    assert list(Path(whole.bag).rglob("Image.csv"))


def test_what_does_not_exist_is_said(ml: DerivaML, shelf: Shelf) -> None:
    with pytest.raises(DerivaMLNotFoundError, match="no version"):
        ml.download_dataset_bag(DatasetSpec(rid=shelf.spec.rid, version="9.9.9"))
    with pytest.raises(DerivaMLNotFoundError, match="is a row of Image"):
        ml.bag_info(DatasetSpec(rid=shelf.rids[0], version="0.1.0"))
