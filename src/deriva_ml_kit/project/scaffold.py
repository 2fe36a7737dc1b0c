"""Make a project's folder: files, git, a wheel of the kit, an environment, the first commit.

What stands in the folder already is left as it is, so the same call again completes what was cut short.
"""

from __future__ import annotations

import getpass
import json
import re
import shutil
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from deriva_ml_kit.errors import KitError, UsageError
from deriva_ml_kit.project import sources
from deriva_ml_kit.project.shell import Shell

CATALOG_FILE = Path("src/configs/catalog.json")
FIRST_COMMIT = "A project for a first model: design, schema, scripts, configs"
# May stand in a folder that counts as empty: a repository without files, what cycle-zero has begun to write down.
EMPTY = {".git", ".deriva-ml", "cycle-zero.log"}
PROGRAMS = {"git": "Install git: the commit of a script is part of every result.", "uv": "pip install uv"}
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")


@dataclass(frozen=True)
class Made:
    """A project's folder as it is now.

    Attributes:
        folder: Where it is.
        name: The project's name in pyproject.toml.
        new: The files that this call wrote.
        commit: The commit at the head of the branch.
        committer: Name and address that were set for this repository, where the person had set none.
    """

    folder: Path
    name: str
    new: tuple[str, ...]
    commit: str
    committer: str | None


def make(
    folder: Path,
    *,
    name: str | None = None,
    hostname: str | None = None,
    catalog_id: str | None = None,
    environment: bool = True,
    log: Path | None = None,
) -> Made:
    """Make a project in a folder, or complete it.

    Args:
        folder: Made if it is not there.
        name: Of the project, as package names are: lower case, digits, ``-``; the folder's name if not given.
        hostname: The DERIVA host of its catalog.
        catalog_id: An existing catalog there. Without it, src/scripts/make_schema.py makes one and writes it down.
        environment: Whether uv installs what the project needs (and writes uv.lock).
        log: File that what git and uv say is appended to.

    Raises:
        UsageError: The folder holds other work or belongs to another catalog, or the name cannot be one.
        KitError: git or uv is missing, or one of them failed.
    """
    folder = folder.resolve()
    name = check(folder, name=name, hostname=hostname, catalog_id=catalog_id)
    texts = sources.texts(name)
    if hostname and catalog_id:
        texts[CATALOG_FILE.as_posix()] = json.dumps({"hostname": hostname, "catalog_id": catalog_id}) + "\n"
    new = _write(folder, texts)  # pyproject.toml first: by it the folder is known as ours
    shell = Shell(folder, log)
    if not (folder / ".git").exists():
        shell.run("git", "init", "--quiet", "--initial-branch=main")
    committer = _committer(shell)
    new += _vendor(shell)
    if environment:
        new += [] if (folder / "uv.lock").exists() else ["uv.lock"]
        shell.run("uv", "sync", "--quiet")
    return Made(folder, name, tuple(new), _commit(shell, new), committer)


def check(folder: Path, *, name: str | None = None, hostname: str | None = None, catalog_id: str | None = None) -> str:
    """Look at everything that can be wrong before anything is made; gives the project's name.

    Raises:
        UsageError: See `make`.
        KitError: git or uv is missing.
    """
    for program, remedy in (
        ("git", "Install git: a script's commit is part of every result."),
        ("uv", "pip install uv"),
    ):
        if shutil.which(program) is None:
            raise KitError(f"{program} is not on PATH.", remedy=remedy)
    if catalog_id and not hostname:
        raise UsageError("--catalog-id needs --hostname.", remedy="Name the host that the catalog is on.")
    ours = project_name(folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file.", remedy="Name another folder.")
    if folder.is_dir() and ours is None and (found := sorted({path.name for path in folder.iterdir()} - EMPTY)):
        raise UsageError(
            f"{folder} is not empty ({', '.join(found[:3])}) and was not made by new-project.",
            remedy="Name another folder.",
        )
    if ours and name and name != ours:
        raise UsageError(f"The project in {folder} is called {ours}, not {name}.", remedy="Leave out --name.")
    file = folder / CATALOG_FILE
    if hostname and file.exists():
        there = json.loads(file.read_text(encoding="utf-8"))
        if (hostname, catalog_id or there["catalog_id"]) != (there["hostname"], there["catalog_id"]):
            raise UsageError(
                f"{folder} belongs to catalog {there['catalog_id']} on {there['hostname']}.",
                remedy=f"Name another folder for another catalog, or change {CATALOG_FILE}.",
            )
    made = ours or name or re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")
    if not _NAME.fullmatch(made):
        raise UsageError(f"{made!r} cannot be the name of a project.", remedy="Give one, such as --name my-first-model")
    return made


def project_name(folder: Path) -> str | None:
    """The name of the project in a folder that new-project made; None for any other folder."""
    try:
        document = tomllib.loads((folder / sources.PYPROJECT).read_text(encoding="utf-8"))
        return str(document["project"]["name"]) if "deriva-ml-kit" in document["tool"] else None
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return None


def _write(folder: Path, texts: dict[str, str]) -> list[str]:
    """Write every file that is missing, each at once; gives their names."""
    new = [name for name in texts if not (folder / name).exists()]
    for name in new:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(target.name + ".part")
        temporary.write_text(texts[name], encoding="utf-8")
        temporary.replace(target)
    return new


def _vendor(shell: Shell) -> list[str]:
    """Put a wheel of the kit into vendor/, unless the one that pyproject.toml names is there."""
    document = tomllib.loads((shell.folder / sources.PYPROJECT).read_text(encoding="utf-8"))
    source = document["tool"].get("uv", {}).get("sources", {}).get("deriva-ml-kit", {}).get("path")
    if source is None or (shell.folder / source).exists():
        return []
    with tempfile.TemporaryDirectory() as built:
        shell.run("uv", "build", "--wheel", "--quiet", "--out-dir", built, str(sources.plugin_root()))
        (wheel,) = Path(built).glob("*.whl")
        if wheel.name != Path(source).name:
            raise UsageError(
                f"pyproject.toml names {source}, which is not there; this plugin builds {wheel.name}.",
                remedy=f'Write deriva-ml-kit = {{ path = "vendor/{wheel.name}" }} under [tool.uv.sources].',
            )
        (shell.folder / source).parent.mkdir(exist_ok=True)
        partial = shell.folder / f"{source}.part"
        shutil.copyfile(wheel, partial)
        partial.replace(shell.folder / source)
    return [source]


def _committer(shell: Shell) -> str | None:
    """Have a committer: the person's own, or one for this repository alone."""
    try:
        shell.run("git", "config", "user.email")
    except KitError:
        user = getpass.getuser()
        shell.run("git", "config", "user.name", user)
        shell.run("git", "config", "user.email", f"{user}@localhost")
        return f"{user} <{user}@localhost>"
    return None


def _commit(shell: Shell, new: list[str]) -> str:
    """Commit what is new, and nothing that the person has changed; gives the commit."""
    try:
        head = shell.run("git", "rev-parse", "--verify", "--quiet", "HEAD").strip()
    except KitError:  # no commit yet: an earlier call may have been cut short before its own
        shell.run("git", "add", "--all")
        shell.run("git", "commit", "--quiet", "--message", FIRST_COMMIT)
        return shell.run("git", "rev-parse", "HEAD").strip()
    if new:
        shell.run("git", "add", "--", *new)
    if not new or not shell.run("git", "diff", "--cached", "--name-only", "--", *new):
        return head
    shell.run("git", "commit", "--quiet", "--message", "What was missing of the project", "--", *new)
    return shell.run("git", "rev-parse", "HEAD").strip()
