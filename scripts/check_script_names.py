"""Install the kit as a project does, again and again, and see whose program runs under the names that it shares.

    uv run python scripts/check_script_names.py [--python 3.11 --python 3.13] [--fresh 5]

Makes a project with `new-project`, then for each Python: five fresh `uv sync`, one `uv sync --reinstall`, and each of
the two packages installed last, by `uv pip` and by `pip`. After each, `bump-version` and `deriva-ml-run-notebook` are
started with `uv run`. Exits 0 if they were the kit's every time. Takes some seconds an environment with a warm cache.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

UV = shutil.which("uv") or "uv"
# A sentence of the kit's own help.
PROGRAMS = {"bump-version": "Nothing is pushed unless you ask for it", "deriva-ml-run-notebook": "run_notebook()"}
PACKAGES = {"deriva-ml": "deriva-ml==1.17.10", "deriva-ml-kit": "vendor"}


def main() -> int:
    """Install and start; one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="as `uv sync --python` takes it; this one where not given")
    parser.add_argument("--fresh", type=int, default=5, help="fresh environments for each Python")
    args = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="script-names-") as folder:
        project = Path(folder) / "project"
        call(sys.executable, "-m", "deriva_ml_kit.cli.main", "new-project", str(project))
        for python in args.python or [sys.executable]:
            for way in installed(project, python, args.fresh):
                for program, sentence in PROGRAMS.items():
                    ours = sentence in call(UV, "run", "--no-sync", program, "--help", cwd=project)
                    wrong += not ours
                    print(f"{python}  {way:35}  {program:24}file of {writer(project, program):15}runs {whose(ours)}")
    print(f"{wrong} were not the kit's" if wrong else "All were the kit's.")
    return 1 if wrong else 0


def installed(project: Path, python: str, fresh: int) -> Iterator[str]:
    """Install in one way after the other; gives the name of each."""
    for number in range(1, fresh + 1):
        shutil.rmtree(project / ".venv", ignore_errors=True)
        call(UV, "sync", "--python", python, cwd=project)
        yield f"fresh uv sync {number}"
    call(UV, "sync", "--reinstall", cwd=project)
    yield "uv sync --reinstall"
    call(UV, "pip", "install", "pip", cwd=project)
    inner = str(project / ".venv" / "bin" / "python")
    for last, requirement in PACKAGES.items():
        named = str(next((project / requirement).glob("*.whl"))) if requirement == "vendor" else requirement
        call(UV, "pip", "install", "--no-deps", "--reinstall", named, cwd=project)
        yield f"uv pip install, {last} last"
        call(inner, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", named, cwd=project)
        yield f"pip install, {last} last"


def writer(project: Path, program: str) -> str:
    """The package whose file of that name is there."""
    text = (project / ".venv" / "bin" / program).read_text(encoding="utf-8")
    return "deriva-ml-kit" if "deriva_ml_kit" in text else "deriva-ml"


def whose(ours: bool) -> str:
    """The word for it."""
    return "the kit's" if ours else "deriva-ml's"


def call(*command: str, cwd: Path | None = None) -> str:
    """Standard output of a program.

    Raises:
        subprocess.CalledProcessError: It failed to install something.
    """
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode and "--help" not in command:
        sys.stderr.write(done.stderr)
        done.check_returncode()
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
