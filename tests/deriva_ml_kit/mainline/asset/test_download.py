import hashlib
import os
from pathlib import Path

import pytest

from deriva_ml_kit.mainline import Asset
from deriva_ml_kit.mainline.errors import DerivaMLDataError, DerivaMLNotFoundError

pytestmark = pytest.mark.catalog


@pytest.fixture
def stored(ml, workflow) -> tuple[Asset, bytes]:
    """An asset with its content."""
    content = os.urandom(3000)
    with ml.create_execution(description="stores", workflow=workflow) as exe:
        Path(exe.asset_file_path("Execution_Asset", "data (1).bin", "Output_File")).write_bytes(content)
    exe.commit_output_assets()
    (asset,) = [a for a in ml.list_execution_assets(exe.execution_rid, "Output") if a.asset_table == "Execution_Asset"]
    return asset, content


def altered(asset: Asset, **facts) -> Asset:
    """The asset as a catalog with other facts about it would give it."""
    known = {name: getattr(asset, name) for name in ("filename", "url", "length", "md5")}
    return Asset(asset._ml, asset.asset_rid, asset.asset_table, **(known | facts))


def test_a_file_arrives_whole_in_a_folder_that_is_made(stored, tmp_path) -> None:
    asset, content = stored
    path = asset.download(tmp_path / "new" / "folder")

    assert path == tmp_path / "new" / "folder" / "data (1).bin"
    assert path.read_bytes() == content
    assert asset.md5 == hashlib.md5(content).hexdigest()
    assert asset.download(str(path.parent)) == path
    assert [file.name for file in path.parent.iterdir()] == ["data (1).bin"]


@pytest.mark.parametrize(
    ("facts", "why"),
    [({"md5": "0" * 32}, "MD5 .* instead of 0000"), ({"length": 4000}, "3000 bytes instead of 4000")],
)
def test_a_file_that_is_not_what_the_catalog_says_is_not_kept_and_the_old_one_stays(
    stored, tmp_path, facts, why
) -> None:
    asset, _ = stored
    (tmp_path / "data (1).bin").write_text("old")

    with pytest.raises(DerivaMLDataError, match=why):
        altered(asset, **facts).download(tmp_path)
    assert [(file.name, file.read_text()) for file in tmp_path.glob("*.bin")] == [("data (1).bin", "old")]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("name", "arrives"), [("../../up.bin", "up.bin"), ("a\\b.bin", "b.bin"), ("..", None), ("", None)]
)
def test_nothing_is_written_outside_the_folder(stored, tmp_path, name, arrives) -> None:
    asset, content = stored
    path = altered(asset, filename=name).download(tmp_path / "in")
    assert path == tmp_path / "in" / (arrives or asset.asset_rid)
    assert path.read_bytes() == content


def test_a_file_that_the_host_does_not_have_is_said_to_be_elsewhere_or_gone(stored, tmp_path) -> None:
    asset, _ = stored
    with pytest.raises(DerivaMLNotFoundError, match=r"lies at tag://elsewhere,2026:file:///x"):
        altered(asset, url="tag://elsewhere,2026:file:///x").download(tmp_path)
    with pytest.raises(DerivaMLNotFoundError, match="is gone from https://"):
        altered(asset, url="/hatrac/nowhere/x").download(tmp_path)
    whole = f"https://{asset._ml.host_name}{asset.url}"
    assert altered(asset, url=whole).download(tmp_path).exists()
