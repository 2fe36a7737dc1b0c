"""What an execution says of itself: command, commit, configuration, inputs, libraries.

Every execution leaves `configuration.json` and a snapshot of its environment; what was run by Hydra leaves its
overrides, what went through a tier a receipt, and what calls `record_run` its own record.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deriva_ml_kit.errors import Undecidable
from deriva_ml_kit.mainline import DatasetSpec, DerivaML
from deriva_ml_kit.mainline.asset.asset import Asset
from deriva_ml_kit.mainline.workflow.installed import is_installed_program
from deriva_ml_kit.ops.tracking.runs import known_runs
from deriva_ml_kit.ops.tracking.source import place_of

CONFIGURATION, ENVIRONMENT = "configuration.json", "environment_snapshot_"
OVERRIDES, HYDRA = "-overrides.yaml", "-hydra.yaml"
# `1.2.4.dev5+g1a2b3c4` is what setuptools-scm says of a commit after a tag, with `.d20260101` where files differed.
AFTER_TAG = re.compile(r"\+g(?P<commit>[0-9a-f]{7,40})(?P<dirty>\.d\d{8})?$")
DESCRIBED = re.compile(r"(^|-g)(?P<commit>[0-9a-f]{7,40})(?P<dirty>-dirty)?$")
OWN_METADATA = ("Execution_Metadata",)


@dataclass(frozen=True)
class Recorded:
    """An execution's own account.

    Attributes:
        rid: Its RID.
        description: What it was for.
        status: How far it is.
        script: Path of the workflow's file in its repository.
        revisions: What git is asked for, the first that it knows: a commit, a shortened one, a tag.
        script_commit: The last commit that changed the script, where nobody recorded which was checked out.
        argv: The command line.
        folder: Where it was started, relative to the repository.
        root: The repository's folder at that time.
        overrides: Hydra's overrides of this job; None where it was not run by Hydra.
        config_name: Hydra's main configuration.
        gated: Whether it has a receipt, so that the same run asks for those of the tiers before.
        datasets: `RID@VERSION` of its inputs.
        python: Version of Python.
        packages: Name to version.
        metrics: What came of it.
        outputs: Its output files, without what every execution leaves.
    """

    rid: str
    description: str
    status: str
    script: str
    revisions: tuple[str, ...]
    script_commit: str | None
    argv: tuple[str, ...]
    folder: str
    root: str | None
    overrides: tuple[str, ...] | None
    config_name: str | None
    gated: bool
    datasets: tuple[str, ...]
    python: str
    packages: Mapping[str, str]
    metrics: Mapping[str, float]
    outputs: Sequence[Asset]


def recorded(ml: DerivaML, rid: str) -> Recorded:
    """Read an execution's account.

    Raises:
        DerivaMLNotFoundError: There is no such execution.
        Undecidable: It cannot be made again: it has no workflow in a repository, ran with uncommitted changes, is a
            notebook or a sweep as a whole, or left no configuration.
    """
    record = ml.lookup_execution(rid)
    assets = ml.list_execution_assets(rid, "Output")
    told = _Told(rid, assets)
    configuration, environment = told.json(CONFIGURATION), told.json(ENVIRONMENT)
    workflow = configuration.get("workflow")
    workflow = workflow if isinstance(workflow, dict) else {}
    # Its own word first: in the catalog, files of the same content are one workflow, wherever they are.
    url = workflow.get("url") or (record.workflow.url if record.workflow else None)
    place = place_of(url)
    if place is None:
        raise _cannot(
            rid,
            f"its workflow is {url or 'not recorded'}, which names no file of a repository",
            "Type its command again, with the version of deriva-ml-kit that the URL names."
            if is_installed_program(url)
            else "Only what ran from a committed file of a git repository can be made again.",
        )
    if place.path.endswith(".ipynb"):
        raise _cannot(rid, "it is a notebook", "Run it: uv run deriva-ml-run-notebook " + place.path)
    run = next(iter(known_runs(ml, [rid])), None)
    version = str(workflow.get("version") or "")
    dirty = list(workflow.get("dirty_paths") or [])
    found = AFTER_TAG.search(version) or DESCRIBED.search(version)
    if dirty or (found and found["dirty"]):
        raise _cannot(
            rid,
            f"it ran with uncommitted changes{' in ' + ', '.join(dirty[:5]) if dirty else ''}",
            "Nobody can check out what ran. Commit, and run it anew.",
        )
    own = run.commit if run and run.environment else None  # a record or a receipt, which know what was checked out
    known = own or (found["commit"] if found else None)
    overrides = told.yaml(OVERRIDES)
    root = workflow.get("git_root")
    return Recorded(
        rid=rid,
        description=record.description or "",
        status=record.status.value,
        script=place.path,
        revisions=(known,) if known else (f"v{version}", version) if version else (),
        script_commit=None if known else place.commit,
        argv=tuple(map(str, configuration.get("argv") or ())),
        folder=_inside(environment.get("os", {}).get("cwd"), root),
        root=str(root) if root else None,
        overrides=None if overrides is None else tuple(map(str, overrides)),
        config_name=((told.yaml(HYDRA) or {}).get("hydra") or {}).get("job", {}).get("config_name"),
        gated=any(asset.filename.startswith("receipt-tier") for asset in assets),
        datasets=tuple(_pin(each) for each in configuration.get("datasets") or ()),
        python=str(environment.get("platform", {}).get("python_version", "")),
        packages=dict(environment.get("imports") or {}),
        metrics=run.metrics if run else {},
        outputs=[asset for asset in assets if asset.asset_table not in OWN_METADATA],
    )


class _Told:
    """The files that every execution leaves, found by how their names begin or end."""

    def __init__(self, rid: str, assets: Sequence[Asset]) -> None:
        self._rid = rid
        self._assets = [asset for asset in assets if asset.asset_table in OWN_METADATA]

    def json(self, name: str) -> dict[str, Any]:
        text = self._text(name)
        if text is None:
            raise _cannot(self._rid, f"it left no {name}", "It did not get as far as to begin. Run it anew.")
        content = json.loads(text)
        return content if isinstance(content, dict) else {}

    def yaml(self, name: str) -> Any:
        text = self._text(name)
        if text is None:
            return None
        from omegaconf import OmegaConf  # noqa: PLC0415

        return OmegaConf.to_container(OmegaConf.create(text), resolve=False)

    def _text(self, name: str) -> str | None:
        for asset in self._assets:
            if asset.filename.startswith(name) or asset.filename.endswith(name):
                with tempfile.TemporaryDirectory(prefix="deriva-ml-recorded-") as folder:
                    return asset.download(folder).read_text(encoding="utf-8")
        return None


def _pin(given: Mapping[str, Any]) -> str:
    spec = DatasetSpec.model_validate(given)
    return f"{spec.rid}@{spec.version}"


def _inside(folder: str | None, root: str | None) -> str:
    """A folder relative to the repository; its top where it lay elsewhere."""
    if folder and root and Path(folder).is_relative_to(root):
        return Path(folder).relative_to(root).as_posix()
    return "."


def _cannot(rid: str, why: str, remedy: str) -> Undecidable:
    return Undecidable(f"Execution {rid} cannot be made again: {why}.", remedy=remedy)
