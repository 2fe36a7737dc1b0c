"""A notebook as a file: whether it can be run so that others can repeat it, what it takes, what it answered.

In: the path of an `.ipynb` file. Out: its parameters, or an error that says what to type; an executed copy as Markdown.
"""

from __future__ import annotations

import ast
import base64
import json
import mimetypes
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.nearest import remedy

COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def read(path: Path) -> dict[str, Any]:
    """The notebook's document.

    Raises:
        UsageError: It is not there, or it is no notebook.
    """
    if path.suffix != ".ipynb" or not path.is_file():
        there = [str(other) for other in sorted(Path().glob("**/*.ipynb")) if ".ipynb_checkpoints" not in other.parts]
        raise UsageError(f"There is no notebook {path}.", remedy=remedy(str(path), there) if there else None)
    return _document(path.read_bytes(), path)


def require_stripped(path: Path) -> None:
    """Refuse a notebook that was committed with its outputs: they may show data, and every run would change the file.

    What counts is what git holds: where nbstripout is installed as a filter, the file itself may have outputs.

    Raises:
        UsageError: It has outputs; names the command that takes them out.
    """
    command = ["git", "show", f"HEAD:./{path.name}"]
    committed = subprocess.run(command, cwd=path.resolve().parent, capture_output=True, check=False)
    document = _document(committed.stdout, path) if committed.returncode == 0 else read(path)
    if cells := [number for number, cell in enumerate(document["cells"], start=1) if _has_output(cell)]:
        listed = ", ".join(map(str, cells[:10])) + (", …" if len(cells) > 10 else "")
        raise UsageError(
            f"{path} is committed with outputs, in cell {listed}.",
            remedy=f"Take them out and commit:\n  uv run nbstripout {path}\n  git commit -m 'Notebook without outputs' "
            f"-- {path}\n`uv run nbstripout --install` makes git do that from now on.",
        )


def parameters(path: Path) -> dict[str, str]:
    """Names and default values, as Python, of what the cell tagged `parameters` sets; empty without such a cell.

    Raises:
        UsageError: That cell is no Python.
    """
    tagged = [cell for cell in read(path)["cells"] if "parameters" in cell.get("metadata", {}).get("tags", [])]
    try:
        body = ast.parse("".join(tagged[0]["source"])).body if tagged else []
    except SyntaxError as error:
        raise UsageError(f"The cell of parameters in {path} is no Python: {error}") from None
    found: dict[str, str] = {}
    for statement in body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            value = ast.unparse(statement.value)
            found |= {target.id: value for target in targets if isinstance(target, ast.Name)}
    return found


def require_parameters(path: Path, given: Mapping[str, Any]) -> None:
    """Refuse parameters that the notebook does not have.

    Raises:
        UsageError: Names the nearest.
    """
    known = parameters(path) if given else {}
    for name in given:
        if name not in known:
            none = f"{path} has no cell tagged 'parameters', so it takes none."
            raise UsageError(f"The notebook has no parameter {name!r}.", remedy=remedy(name, known) if known else none)


def value_of(text: str) -> Any:
    """A parameter as it was typed: a number, true, false or null, a list or object in JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text, text)


def cell_number(executed: Mapping[str, Any], index: int) -> int:
    """Number of a cell in the notebook as its author sees it: from 1, without the cells that the run has added."""
    added = {"injected-parameters", "papermill-error-cell-tag"}
    before = executed["cells"][: index + 1]
    return sum(1 for cell in before if not added & set(cell.get("metadata", {}).get("tags", [])))


def without_colours(text: str) -> str:
    """A traceback as plain text."""
    return COLOURS.sub("", text)


def as_markdown(path: Path) -> str:
    """An executed notebook as one Markdown file, its pictures inside."""
    from nbconvert import MarkdownExporter  # noqa: PLC0415  (takes a moment)

    body, resources = MarkdownExporter().from_filename(str(path))  # type: ignore[no-untyped-call]
    text = without_colours(str(body))
    for name, content in (resources.get("outputs") or {}).items():
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        text = text.replace(f"({name})", f"(data:{kind};base64,{base64.b64encode(content).decode()})")
    return text


def _document(content: bytes, path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(content)
        document["cells"][0:0] = []
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is no notebook of format 4: {error!r}", remedy="Open it in Jupyter and save it."
        ) from None
    return document


def _has_output(cell: Mapping[str, Any]) -> bool:
    return bool(cell.get("outputs") or cell.get("execution_count"))
