"""The unmodified release of deriva-ml, without anything of ours on the client's side."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.catalog, pytest.mark.e2e]
SCRIPT = Path(__file__).with_name("plain_release_flow.py")


@pytest.fixture(scope="module")
def found(local_host, tmp_path_factory):
    """What the script found: it runs as a committed file of a repository without remote."""
    folder = tmp_path_factory.mktemp("plain")
    shutil.copy(SCRIPT, folder / "flow.py")
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "flow.py"], ["commit", "-qm", "The flow"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    ran = subprocess.run(
        [sys.executable, "flow.py", local_host.hostname, str(folder / "work")],
        cwd=folder,
        env=local_host.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


def test_small_empty_and_chunked_files_arrive_whole(found):
    sizes = {name: row[0] for name, row in found["assets"].items()}

    assert sizes == {"small.txt": 6, "empty.txt": 0, "chunked.bin": 26 * 2**20}
    assert {name: row[1] for name, row in found["assets"].items()} == found["files"]


def test_feature_values_carry_their_term_their_metadata_and_their_execution(found):
    values = {(v["SubjectHealth"], v["Execution"]) for v in found["features"]}

    assert values == {("Sick", found["execution"])}
    assert sorted(v["Scale"] for v in found["features"]) == [0, 1, 2, 3, 4, 5]


def test_versions_of_a_dataset_count_up(found):
    assert found["datasets"]["before"] == "0.2.0"
    assert sorted(found["datasets"]["history"])[0] == "0.1.0"
    assert sorted(found["datasets"]["history"])[-1] == "1.0.0"


def test_a_bag_shows_the_catalog_as_it_was_at_the_version(found):
    assert found["bag"]["names"] == ["S0", "S1", "S2"]


def test_assets_in_a_bag_have_the_content_that_was_uploaded(found):
    fetched = {name: pair[0] for name, pair in found["bag"]["scans"].items()}

    assert fetched == found["files"]


def test_a_nested_dataset_is_found_in_its_parents_bag(found):
    assert found["nested"] == [found["datasets"]["inner"]]


def test_citations_and_rids_resolve(found):
    assert found["subjects"][0] in found["cite"]
    assert found["resolved"] == "Subject"


def test_the_execution_is_completed(found):
    assert found["status"] == "Completed"
