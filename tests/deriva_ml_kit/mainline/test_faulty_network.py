"""Datasets and bags over a bad network (commits have tests of their own): nothing lost, nothing doubled."""

import os
from pathlib import Path
from typing import Any

import pytest
import requests

from deriva_ml_kit.mainline import DatasetSpec, DerivaML
from deriva_ml_kit.mainline.catalog.transport import Limits

pytestmark = pytest.mark.catalog

FAST = Limits(pause_seconds=0.01, longest_pause_seconds=0.05, read_seconds=1.0, attempts=8)
KINDS = ("drop", "lose", "cut", "unavailable", "bad_gateway")


@pytest.fixture
def connect(lab, faulty_host, tmp_path: Path) -> Any:
    return lambda place: DerivaML(faulty_host.hostname, lab.catalog_id, working_dir=tmp_path / place, limits=FAST)


def stored_images(ml: DerivaML, workflow: Any, contents: dict[str, bytes]) -> list[str]:
    with ml.create_execution(description="images", workflow=workflow) as exe:
        for name, content in contents.items():
            Path(exe.asset_file_path("Image", name)).write_bytes(content)
    exe.commit_output_assets()
    links = ml.catalog.get(f"/entity/lab:Image_Execution/Execution={exe.execution_rid}").json()
    return [link["Image"] for link in links]


def links_of(ml: DerivaML, rid: str) -> list[str]:
    return sorted(row["Image"] for row in ml.catalog.get(f"/entity/lab:Dataset_Image/Dataset={rid}").json())


@pytest.mark.parametrize("seed", [11, 12])
def test_members_are_added_once_where_every_fourth_request_fails(connect, workflow, faulty_host, seed) -> None:
    ml = connect("work")
    images = stored_images(ml, workflow, {f"{n}.png": os.urandom(30) for n in range(30)})
    dataset = ml.lookup_dataset(ml.create_dataset(description=f"faulty {seed}"))
    faulty_host.fail_at_random(seed, 0.25, KINDS)

    dataset.add_dataset_members({"Image": images})

    faulty_host.work()
    assert links_of(ml, dataset.dataset_rid) == sorted(images)
    assert dataset.current_version.is_devrelease


def test_a_dataset_is_made_once_although_every_answer_is_lost_once(connect, faulty_host) -> None:
    ml = connect("work")
    for table in ("ERMrest_RID_Lease", "Dataset[?]", "Dataset_Version[?]", "Dataset_Dataset_Type"):
        faulty_host.fail("lose", "POST", table)

    rid = ml.create_dataset(description="made once")

    assert [row["RID"] for row in ml.catalog.get("/entity/deriva-ml:Dataset/Description=made%20once").json()] == [rid]
    assert len(ml.catalog.get(f"/entity/deriva-ml:Dataset_Version/Dataset={rid}").json()) == 1


def test_a_period_and_its_release_are_noted_once_although_answers_are_lost(connect, faulty_host) -> None:
    ml = connect("work")
    dataset = ml.lookup_dataset(ml.create_dataset(description="periods"))
    dataset.mark_dev("first")
    faulty_host.fail("lose", "PUT", "Dataset_Dev/RID,RMT", times=2)

    dataset.mark_dev("second")
    assert str(dataset.current_version) == "0.1.0.post1.dev2"
    assert str(dataset.release("minor", "both")) == "0.2.0"
    assert len(faulty_host.seen(outcome="lose")) == 2


@pytest.mark.parametrize("seed", [21, 22])
def test_a_bag_arrives_whole_where_every_fourth_request_fails(connect, workflow, faulty_host, seed) -> None:
    ml = connect("work")
    contents = {f"{n}.png": os.urandom(2000) for n in range(20)}
    dataset = ml.lookup_dataset(ml.create_dataset(description=f"bag {seed}"))
    dataset.add_dataset_members({"Image": stored_images(ml, workflow, contents)})
    version = dataset.release("minor", "twenty images")
    faulty_host.fail_at_random(seed, 0.25, KINDS)

    bag = None
    for _ in range(5):  # a new program each time, on the same disk
        try:
            bag = connect("reader").download_dataset_bag(DatasetSpec(rid=dataset.dataset_rid, version=version))
            break
        except requests.RequestException:
            continue

    assert bag is not None
    fetched = {Path(row["Filename"]).name: Path(row["Filename"]).read_bytes() for row in bag.get_table_as_dict("Image")}
    assert fetched == contents


def test_files_of_a_bag_that_had_arrived_are_not_fetched_again(connect, workflow, faulty_host) -> None:
    ml = connect("work")
    contents = {f"{n}.png": os.urandom(2000) for n in range(20)}
    dataset = ml.lookup_dataset(ml.create_dataset(description="bag resumed"))
    dataset.add_dataset_members({"Image": stored_images(ml, workflow, contents)})
    spec = DatasetSpec(rid=dataset.dataset_rid, version=dataset.release("minor", "twenty images"))
    faulty_host.fail("drop", "GET", "/hatrac/Image", skip=8, times=None)
    with pytest.raises(requests.RequestException):
        connect("reader").cache_dataset(spec)
    faulty_host.work()
    arrived = {seen.path for seen in faulty_host.seen("GET", "/hatrac/Image", "passed")}
    faulty_host.forget()

    info = connect("reader").cache_dataset(spec)

    assert info["status"] == "cached_materialized"
    assert not arrived & {seen.path for seen in faulty_host.seen("GET", "/hatrac/Image")}
    assert len(faulty_host.seen("GET", "/hatrac/Image")) == 12
