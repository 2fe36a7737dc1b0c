import hashlib
import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.catalog


def test_files_that_executions_share_are_listed_and_removed(ml, workflow, tmp_path) -> None:
    content = os.urandom(700)
    with ml.create_execution(description="makes", workflow=workflow) as exe:
        Path(exe.asset_file_path("Execution_Asset", "shared.bin", "Output_File")).write_bytes(content)
    exe.commit_output_assets()
    rid = next(a.asset_rid for a in ml.list_execution_assets(exe.execution_rid) if a.filename == "shared.bin")
    assert ml.list_cached_assets() == []

    for _ in range(2):
        with ml.create_execution(description="uses", workflow=workflow, dry_run=True) as exe:
            assert exe.download_asset(rid, tmp_path, use_cache=True).read_bytes() == content
    (Path(ml.cache_dir) / "assets" / "something_else").mkdir()
    (kept,) = ml.list_cached_assets()

    assert (kept.rid, kept.md5) == (rid, hashlib.md5(content).hexdigest())
    assert (kept.file_count, kept.size_bytes) == (1, 700)
    assert [file.name for file in kept.path.iterdir()] == ["shared.bin"]
    nothing = {"assets_removed": 0, "bytes_freed": 0}
    assert ml.delete_cached_asset(rid, "0" * 32) == ml.delete_cached_asset("9-ZZZZ") == nothing
    assert ml.delete_cached_asset(rid) == {"assets_removed": 1, "bytes_freed": 700}
    assert ml.list_cached_assets() == []
