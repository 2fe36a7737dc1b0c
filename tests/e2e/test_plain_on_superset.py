"""Plain deriva-ml 1.17.10 works with our catalogs as with its own: made by us, and made by itself and then upgraded."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from deriva.core.ermrest_model import Schema

from deriva_ml_kit.mainline.schema.create import create_ml_catalog
from deriva_ml_kit.mainline.schema.upgrade import upgrade_catalog

pytestmark = [pytest.mark.catalog, pytest.mark.e2e]
HERE = Path(__file__).parent
SCRIPTS = ("plain_release_flow.py", "plain_on_superset.py")


@pytest.fixture(scope="module")
def play(local_host, tmp_path_factory):
    """Run a stage as a committed script, in a process that knows nothing of us."""
    folder = tmp_path_factory.mktemp("plain")
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@localhost"]
    for name in SCRIPTS:
        shutil.copy(HERE / name, folder)
    for command in (["init", "-q"], ["add", *SCRIPTS], ["commit", "-qm", "The flow"]):
        subprocess.run([*git, *command], cwd=folder, check=True)

    def run(catalog_id, stage, *inner):
        working_dir = folder / "work" / f"{catalog_id}-{stage}"
        arguments = [local_host.hostname, str(working_dir), str(catalog_id), stage, *inner]
        ran = subprocess.run(
            [sys.executable, SCRIPTS[1], *arguments],
            cwd=folder,
            env=local_host.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-3000:]
        return json.loads(ran.stdout.splitlines()[-1])

    return run


def made_by_the_release(hostname):
    from deriva_ml.schema import create_ml_catalog as released  # noqa: PLC0415

    return with_domain(released(hostname, project_name="plain"))


def with_domain(catalog):
    catalog.getCatalogModel().create_schema(Schema.define("plain"))
    return catalog.catalog_id


@pytest.fixture(scope="module")
def expected(local_host, play):
    """What both stages find in a catalog that the release made and nobody touched."""
    catalog_id = made_by_the_release(local_host.hostname)
    first = play(catalog_id, "first")
    return first, play(catalog_id, "again", first["inner"])


def test_a_catalog_of_ours_is_like_one_of_the_release(local_host, play, expected):
    catalog_id = with_domain(create_ml_catalog(local_host.hostname, "plain"))

    first = play(catalog_id, "first")
    again = play(catalog_id, "again", first["inner"])

    assert first | {"inner": ""} == expected[0] | {"inner": ""}
    assert again == expected[1]


def test_a_catalog_that_the_release_made_and_used_goes_on_working_after_an_upgrade(local_host, play, expected):
    catalog_id = made_by_the_release(local_host.hostname)
    first = play(catalog_id, "first")

    changes = upgrade_catalog(local_host.hostname, catalog_id)
    again = play(catalog_id, "again", first["inner"])

    assert changes
    assert again == expected[1]
    assert upgrade_catalog(local_host.hostname, catalog_id) == []
