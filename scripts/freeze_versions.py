"""Freeze the versions of all packages that development uses, in pyproject.toml.

    uv run python scripts/freeze_versions.py           take the newest that the bounds allow, and write them
    uv run python scripts/freeze_versions.py --check   exit 1 if a package of the environment is not frozen

A lock file would record the hosts of package registries; `constraint-dependencies` holds versions only.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
LIST = re.compile(r"constraint-dependencies = \[.*?\n?\]", re.DOTALL)


def main() -> int:
    """Write or check the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare with the environment")
    if parser.parse_args().check:
        return check()
    text = PYPROJECT.read_text(encoding="utf-8")
    pins = resolve(LIST.sub("constraint-dependencies = []", text))
    listed = "constraint-dependencies = [\n" + "".join(f'  "{pin}",\n' for pin in pins) + "]"
    PYPROJECT.write_text(LIST.sub(lambda _: listed, text), encoding="utf-8")
    print(f"{len(pins)} versions frozen")
    return 0


def check() -> int:
    """Whether each installed package has its version in the list."""
    frozen = {canonical(name) for name in re.findall(r'^  "([A-Za-z0-9._-]+)==', PYPROJECT.read_text(), re.MULTILINE)}
    loose = sorted({canonical(d.metadata["Name"]) for d in distributions()} - frozen - {"deriva-ml-kit"})
    if loose:
        print(f"not frozen: {', '.join(loose)}\nrun: uv run python scripts/freeze_versions.py", file=sys.stderr)
    return 1 if loose else 0


def canonical(name: str) -> str:
    """A distribution's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def resolve(pyproject: str) -> list[str]:
    """Name==version of each package, for all supported Pythons; with a marker where the version depends on it."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "pyproject.toml").write_text(pyproject, encoding="utf-8")
        for name in ("README.md", "LICENSE"):
            (project / name).touch()
        for package in ("deriva_local", "deriva_ml_kit"):
            (project / "src" / package).mkdir(parents=True)
            (project / "src" / package / "__init__.py").touch()
        options = ["--no-hashes", "--no-annotate", "--no-header", "--all-extras", "--all-groups", "--no-emit-project"]
        command = ["uv", "export", "--quiet", "--project", folder, *options]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    pins = [line.strip().replace('"', "'") for line in lines if re.match(r"[A-Za-z0-9]", line)]
    names = [pin.split("==")[0] for pin in pins]
    # A marker says where a package is needed; a constraint needs one only where the version depends on it.
    return [pin if names.count(pin.split("==")[0]) > 1 else pin.split(" ;")[0] for pin in pins]


if __name__ == "__main__":
    sys.exit(main())
