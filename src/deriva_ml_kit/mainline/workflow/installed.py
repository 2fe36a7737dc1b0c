"""Programs of an installed package as workflows: there is no repository to ask, the package's version says what ran."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deriva_ml_kit.mainline.workflow import types
from deriva_ml_kit.mainline.workflow.git import blob_hash
from deriva_ml_kit.mainline.workflow.workflow import Workflow

if TYPE_CHECKING:
    from deriva_ml_kit.mainline.ml import DerivaML

PACKAGE = "deriva-ml-kit"
SCHEME = "pkg:pypi/"  # a package URL: https://github.com/package-url/purl-spec


def installed_program(
    ml: DerivaML, name: str, workflow_type: str | list[str], description: str = "", *, module: str | None = None
) -> Workflow:
    """Describe a program of this package as a workflow; `create_execution` records it.

    Its URL is a package URL with the version and the file, its checksum git's hash of the file.

    Args:
        ml: The catalog.
        name: Name for people.
        workflow_type: Terms of Workflow_Type, one or several.
        description: What it does.
        module: Module that holds the program; the one that calls where not given.

    Raises:
        DerivaMLInvalidTerm: No such workflow type.
    """
    where = module or str(sys._getframe(1).f_globals["__name__"])
    file = Path(str(importlib.import_module(where).__file__))
    version = importlib.metadata.version(PACKAGE)
    path = f"{where.replace('.', '/')}{'/__init__' if file.name == '__init__.py' else ''}.py"
    return Workflow(
        name=name,
        workflow_type=types.named(ml, [workflow_type] if isinstance(workflow_type, str) else workflow_type),
        description=description,
        url=f"{SCHEME}{PACKAGE}@{version}#{path}",
        checksum=blob_hash(file.read_bytes()),
        version=version,
    )


def is_installed_program(url: str | None) -> bool:
    """Whether a workflow's URL names a program of an installed package."""
    return bool(url and url.startswith(SCHEME))
