"""What is said about datasets on this disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.tools.invoke import call_of, invoke

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def cached(clinic: Any) -> Any:
    """The clinic's subjects, fetched as the scripts do, to where they keep it."""
    from deriva_ml_kit.mainline import DatasetSpec, DerivaML  # noqa: PLC0415  (reads HOME)

    spec = clinic.datasets["subjects"]
    ml = DerivaML(clinic.ml.host_name, str(clinic.ml.catalog_id))
    ml.cache_dataset(DatasetSpec(rid=spec.rid, version=spec.version))
    yield spec
    ml.delete_cached_bag(spec.rid)


def test_what_is_not_cached_is_counted_and_the_command_that_fetches_it_given(
    ask: Ask, clinic: Any, tmp_path: Path
) -> None:
    spec = clinic.datasets["nested"]

    info = ask("deriva_ml_bag_info", dataset_rid=spec.rid)

    assert (info["version"], info["status"], info["cache_path"]) == (str(spec.version), "not_cached", None)
    assert info["tables"]["Image"] == info["tables"]["Image"] | {"row_count": 5, "is_asset": True, "asset_bytes": 5}
    assert all(table["row_count"] for table in info["tables"].values())
    assert info["total_rows"] == sum(table["row_count"] for table in info["tables"].values())
    where = f"--hostname {clinic.ml.host_name} --catalog-id {clinic.ml.catalog_id}"
    command = f"uv run python src/scripts/warm_cache.py {where} --dataset-rid {spec.rid} --version {spec.version}"
    assert info["next_step"].startswith(f"{command} (copy ")

    (tmp_path / "src/scripts").mkdir(parents=True)
    (tmp_path / "src/scripts/warm_cache.py").touch()
    without = ask("deriva_ml_bag_info", dataset_rid=spec.rid, version=str(spec.version), exclude_tables=["Image"])
    assert without["next_step"] == command
    assert "Image" not in without["tables"]


def test_exactly_the_version_that_is_asked_for_counts_as_cached(ask: Ask, cached: Any) -> None:
    there = ask("deriva_ml_bag_info", dataset_rid=cached.rid)
    older = ask("deriva_ml_bag_info", dataset_rid=cached.rid, version="0.2.0")

    assert there["status"] == "cached_materialized"
    assert Path(there["cache_path"]).is_dir()
    assert there["next_step"].startswith("deriva_ml_denormalize_dataset(")
    assert (older["status"], older["cached_versions"]) == ("not_cached", [str(cached.version)])


def test_cached_versions_are_listed_without_asking_the_catalog(
    ask: Ask, clinic: Any, cached: Any, tmp_path: Path
) -> None:
    answer = ask("deriva_ml_list_cached_bags", dataset_rid=cached.rid)
    other = ask("deriva_ml_list_cached_bags", dataset_rid=clinic.datasets["left"].rid)
    tool, nobody = "deriva_ml_list_cached_bags", {"hostname": "localhost:1", "catalog_id": "7"}
    nowhere = invoke(tool, nobody, call_of(tool, tmp_path)).document

    [bag] = answer["bags"]
    assert (bag["dataset_rid"], bag["version"], bag["status"]) == (
        cached.rid,
        str(cached.version),
        "cached_materialized",
    )
    assert bag["size_bytes"] > 0
    assert Path(bag["path"]).is_relative_to(answer["cache_dir"])
    assert (other["total"], nowhere["total"]) == (0, 0)
    assert f'dataset_rid="{clinic.datasets["left"].rid}"' in other["next_step"]


def test_what_there_is_not_is_refused_with_the_nearest(refuse: Ask, clinic: Any) -> None:
    rid = clinic.datasets["nested"].rid

    tables = refuse("deriva_ml_bag_info", dataset_rid=rid, exclude_tables=["Imag", "Image", "Subjec"])
    version = refuse("deriva_ml_bag_info", dataset_rid=rid, version="0.7.0")
    cursor = refuse("deriva_ml_list_cached_bags", cursor="²")

    assert "no table 'Imag', 'Subjec'" in tables["message"]
    assert {"Image", "Subject"} <= set(tables["candidates"])
    assert (version["code"], "0.6.0" in version["candidates"]) == ("not_found", True)
    assert cursor["code"] == "bad_argument"
