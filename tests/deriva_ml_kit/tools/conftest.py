"""Tools as an agent calls them, on a catalog that all tests read, and on one of a file's own to write to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deriva_ml_kit.tools.invoke import Outcome, call_of, invoke

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def clinic(local_host: Any) -> Any:
    """The clinic of `tests/support/clinic.py`: read it, and leave it as it is."""
    from clinic import clinic  # noqa: PLC0415  (reads HOME)

    return clinic(local_host.hostname)


def asking(hostname: str, catalog_id: str, project: Path) -> Ask:
    """A function that calls a tool on a catalog and gives its answer, which must be no error."""

    def ask(tool: str, **arguments: Any) -> dict[str, Any]:
        outcome = attempt(tool, project, hostname=hostname, catalog_id=catalog_id, **arguments)
        assert outcome.failure is None, outcome.failure
        return outcome.document

    return ask


def attempt(tool: str, project: Path, **arguments: Any) -> Outcome:
    """Call a tool; its error, if there is one, is in the outcome."""
    return invoke(tool, arguments, call_of(tool, project))


@pytest.fixture
def ask(clinic: Any, tmp_path: Path) -> Ask:
    """Call a tool on the clinic: `ask("deriva_ml_get_feature", target_table="Image", feature_name="Diagnosis")`."""
    return asking(clinic.ml.host_name, str(clinic.ml.catalog_id), tmp_path)


@pytest.fixture
def refuse(clinic: Any, tmp_path: Path) -> Ask:
    """Call a tool on the clinic and get its error, which there must be."""

    def refuse(tool: str, **arguments: Any) -> dict[str, Any]:
        where = {"hostname": clinic.ml.host_name, "catalog_id": str(clinic.ml.catalog_id)}
        outcome = attempt(tool, tmp_path, **(where | arguments))
        assert outcome.failure is not None, outcome.document
        return outcome.document["error"]

    return refuse


@pytest.fixture(scope="module")
def own(local_host: Any, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Call a tool on a catalog that this file alone writes to; `own.where` names it. Its domain schema is `lab`."""
    from deriva.core.ermrest_model import Schema  # noqa: PLC0415  (reads HOME)

    from deriva_ml_kit.mainline import create_ml_catalog  # noqa: PLC0415  (takes seconds)

    catalog = create_ml_catalog(local_host.hostname, project_name="lab")
    catalog.getCatalogModel().create_schema(Schema.define("lab"))
    where = {"hostname": local_host.hostname, "catalog_id": str(catalog.catalog_id)}
    ask = asking(**where, project=tmp_path_factory.mktemp("project"))
    ask.where = where  # type: ignore[attr-defined]
    return ask


@pytest.fixture(scope="module")
def noted(own: Any) -> Callable[[str], list[dict[str, Any]]]:
    """What the record of an execution on one's own catalog names: `noted(execution_rid)`."""
    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415  (takes seconds)

    ml = DerivaML(**own.where)

    def noted(execution_rid: str) -> list[dict[str, Any]]:
        outputs = ml.list_execution_assets(execution_rid, "Output")
        [record] = [asset for asset in outputs if asset.filename == "writes.jsonl"]
        file = record.download(ml.working_dir / execution_rid)
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    return noted
