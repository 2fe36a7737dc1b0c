"""A small catalog of images with a feature of every kind of column, and templates run as a person runs them.

Each template is copied into a git repository, committed, and started as a program of its own.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deriva.core import HatracStore, get_credential
from deriva.core.ermrest_model import Column, Schema, Table, builtin_types

ROOT = Path(__file__).parents[2]
TEMPLATES = {
    "populate": ROOT / "skills/create-feature/scripts/populate_feature_values.py",
    "warm": ROOT / "skills/manage-deriva-storage/scripts/warm_cache.py",
    "basic": ROOT / "skills/execution-lifecycle/scripts/basic_execution.py",
    "dev": ROOT / "skills/model-development-workflow/scripts/make_dev_dataset.py",
    "drift": ROOT / "skills/ml-ops/scripts/monitor_drift.py",
    "predict": ROOT / "skills/ml-ops/scripts/predict_batch.py",
    "serve": ROOT / "skills/ml-ops/scripts/serve_model.py",
}
IMAGES = 12
_feature_numbers = itertools.count(1)


@dataclass(frozen=True)
class Outcome:
    """How a program ended."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON line; there must be exactly one."""
        [line] = self.out.splitlines()
        document: dict[str, Any] = json.loads(line)
        return document


@dataclass(frozen=True)
class Project:
    """A git repository with copies of the templates."""

    folder: Path
    where: tuple[str, ...]
    env: dict[str, str]
    interpreter: subprocess.Popen[str]

    def command(self, template: str, *arguments: object) -> list[str]:
        script = self.folder / "src/scripts" / TEMPLATES[template].name
        return [str(script), *self.where, *map(str, arguments)]

    def run(self, template: str, *arguments: object, env: dict[str, str] | None = None) -> Outcome:
        """Start a template in a process of its own, whose libraries are imported already (see preloaded.py)."""
        out, err = self.folder.parent / "out", self.folder.parent / "err"
        command = {"argv": self.command(template, *arguments), "env": self.env | (env or {})}
        asked = json.dumps({**command, "cwd": str(self.folder), "out": str(out), "err": str(err)})
        assert self.interpreter.stdin
        assert self.interpreter.stdout
        self.interpreter.stdin.write(asked + "\n")
        self.interpreter.stdin.flush()
        code = int(self.interpreter.stdout.readline())
        return Outcome(code, out.read_text(), err.read_text())

    def start(self, template: str, *arguments: object) -> subprocess.Popen[bytes]:
        """Start a template as a person does, and leave it running."""
        command = [sys.executable, *self.command(template, *arguments)]
        return subprocess.Popen(command, cwd=self.folder, env=self.env, start_new_session=True, stdout=subprocess.PIPE)

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True)

    def edit(self, template: str, change: Callable[[str], str]) -> None:
        """Change a template and commit it."""
        script = self.folder / "src/scripts" / TEMPLATES[template].name
        script.write_text(change(script.read_text()))
        self.git("commit", "-qam", "Edit")


@dataclass(frozen=True)
class Gallery:
    """A catalog of images, each with a file, half of them with a mask."""

    ml: Any
    images: tuple[str, ...]
    masks: tuple[str, ...]

    @property
    def catalog(self) -> Any:
        return self.ml.catalog

    def count(self, table: str, schema: str = "deriva-ml") -> int:
        return int(self.catalog.get(f"/aggregate/{schema}:{table}/n:=cnt(RID)").json()[0]["n"])

    @property
    def snaptime(self) -> str:
        """The catalog's newest snapshot: it moves with every change."""
        return str(self.catalog.get("/").json()["snaptime"])

    def rows(self, path: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.catalog.get(f"/entity/{path}").json()
        return rows


@pytest.fixture(scope="session")
def gallery(local_host: Any) -> Gallery:
    """The catalog, made once for all tests of the templates."""
    from deriva_ml import BuiltinTypes, ColumnDefinition  # noqa: PLC0415  (reads HOME)

    from deriva_ml_kit.mainline import DerivaML  # noqa: PLC0415
    from deriva_ml_kit.mainline.schema.create import create_ml_catalog  # noqa: PLC0415

    catalog = create_ml_catalog(local_host.hostname, "gallery")
    catalog.getCatalogModel().create_schema(Schema.define("gallery"))
    ml = DerivaML(local_host.hostname, catalog.catalog_id)
    ml.model.schemas["gallery"].create_table(
        Table.define("Subject", column_defs=[Column.define("Name", builtin_types.text, nullok=False)])
    )
    ml.create_vocabulary("Diagnosis", "What an image shows")
    for name, synonyms in {"Healthy": ["normal", "none"], "Glaucoma": ["POAG"], "Cataract": ["none"]}.items():
        ml.add_term("Diagnosis", name, description=name, synonyms=synonyms)
    ml.create_asset("Image", column_defs=[ColumnDefinition(name="Size", type=BuiltinTypes.int4)])
    ml.create_asset("Mask")
    ml.add_dataset_element_type("Image")
    ml.add_dataset_element_type("Subject")
    for term in ("Annotation", "Training"):
        ml.add_term("Workflow_Type", term, description=term)
    ml.add_term("Dataset_Type", "Training", description="To learn from")
    images = upload(ml, "Image", {f"image {n}.png": f"picture {n}".encode() for n in range(IMAGES)}, Size=8)
    masks = upload(ml, "Mask", {f"mask{n}.png": f"mask {n}".encode() for n in range(IMAGES // 2)})
    return Gallery(ml, images, masks)


def upload(ml: Any, table: str, files: dict[str, bytes], **columns: Any) -> tuple[str, ...]:
    """Put files into the object store and an asset table."""
    store = HatracStore("https", ml.host_name, get_credential(ml.host_name))
    rows = []
    for name, content in files.items():
        md5 = hashlib.md5(content).hexdigest()
        path = ml.working_dir / "source"
        path.write_bytes(content)
        url = store.put_loc(f"/hatrac/{table}/{md5}.{name.replace(' ', '_')}", str(path))
        rows.append({"URL": url, "Filename": name, "Length": len(content), "MD5": md5, **columns})
    inserted = ml.pathBuilder.schemas[ml.domain_schema].tables[table].insert(rows)
    return tuple(row["RID"] for row in inserted)


def create_feature(gallery: Gallery, name: str, **more: Any) -> str:
    """A feature on Image: a required term, and optional columns of all kinds."""
    from deriva_ml import BuiltinTypes, ColumnDefinition  # noqa: PLC0415

    kinds = {
        "Confidence": BuiltinTypes.float4,
        "Readers": BuiltinTypes.int2,
        "Checked": BuiltinTypes.boolean,
        "Seen": BuiltinTypes.date,
        "Note": BuiltinTypes.text,
    }
    columns = [ColumnDefinition(name=column, type=kind) for column, kind in kinds.items()]
    gallery.ml.create_feature("Image", name, terms=["Diagnosis"], metadata=columns, **more)
    return name


@pytest.fixture
def feature(gallery: Gallery) -> Iterator[str]:
    """A new feature, of this test alone."""
    name = create_feature(gallery, f"Finding_{next(_feature_numbers)}")
    yield name
    gallery.ml.delete_feature("Image", name)


@pytest.fixture(scope="session")
def masked_feature(gallery: Gallery) -> str:
    """A feature that also takes a mask. (The release cannot export datasets whose features share an asset table.)"""
    return create_feature(gallery, "Masked_Finding", assets=["Mask"], optional=["Mask"])


@pytest.fixture(scope="session")
def interpreter(local_host: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A process that runs scripts without importing the libraries each time."""
    folder = tmp_path_factory.mktemp("interpreter") / "site-packages"
    folder.mkdir()
    program = shutil.copy(Path(__file__).with_name("preloaded.py"), folder)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, program], text=True, env=local_host.env, **pipes) as process:
        yield process


@pytest.fixture
def project(gallery: Gallery, local_host: Any, tmp_path: Path, interpreter: subprocess.Popen[str]) -> Project:
    """The templates in a repository of this test's own, and everything they keep, cache included."""
    folder = tmp_path / "project"
    (folder / "src/scripts").mkdir(parents=True)
    for template in TEMPLATES.values():
        (folder / "src/scripts" / template.name).write_bytes(template.read_bytes())
    (folder / ".gitignore").write_text("*.csv\n*.toml\n")
    where = ("--hostname", gallery.ml.host_name, "--catalog-id", str(gallery.ml.catalog_id))
    project = Project(folder, where, local_host.env, interpreter)
    project.git("init", "-q", "-b", "main")
    project.git("add", "-A")
    project.git("commit", "-qm", "Copies of the templates")
    return project
