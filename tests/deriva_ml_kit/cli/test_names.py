"""Whose program runs under a name that two packages install, in both orders of installation."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import deriva_ml_kit
from deriva_ml_kit.cli import names

SOURCE = Path(deriva_ml_kit.__file__).parent.parent
# What installers write for an entry point, theirs and ours.
SCRIPT = """\
#!{python}
# -*- coding: utf-8 -*-
import sys
from {module} import {function}
if __name__ == "__main__":
    sys.exit({function}())
"""
PROGRAMS = {
    "bump-version": [("deriva_ml.bump_version", "main"), ("deriva_ml_kit.cli.names", "bump_version")],
    "deriva-ml-run-notebook": [("deriva_ml.run_notebook", "main"), ("deriva_ml_kit.cli.names", "run_notebook")],
}
MAIN_LINE = "def main():\n    print('main line')\n"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment with our `.pth`, in which everything that is installed here can be imported."""
    made = tmp_path / "env"
    venv.EnvBuilder(symlinks=True).create(made)
    site = site_of(made)
    (site / "deriva_ml_kit_names.pth").write_text(Path(names.__file__).with_suffix(".pth").read_text())
    # Python reads these files in the order of their names; the real environment has us in the same folder.
    (site / "a.pth").write_text(f"{SOURCE}\n{sysconfig.get_path('purelib')}\n")
    return made


def site_of(environment: Path) -> Path:
    return next(environment.glob("lib/python*/site-packages"))


def install(environment: Path, program: str, *, last: str) -> Path:
    """Write both packages' files of a program, one over the other."""
    theirs, ours = PROGRAMS[program]
    file = environment / "bin" / program
    for module, function in [ours, theirs] if last == "theirs" else [theirs, ours]:
        file.write_text(SCRIPT.format(python=environment / "bin" / "python", module=module, function=function))
    file.chmod(0o755)
    return file


@pytest.mark.parametrize("last", ["theirs", "ours"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_ours_runs_whichever_file_was_written_last(environment: Path, program: str, last: str) -> None:
    started = install(environment, program, last=last)

    done = subprocess.run([started, "--help"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing is pushed unless you ask for it" in done.stdout or "(from deriva_ml_kit.runner)" in done.stdout


@pytest.mark.parametrize("last", ["theirs", "ours"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_beside_main_line_main_line_s_runs(environment: Path, program: str, last: str) -> None:
    started = install(environment, program, last=last)
    package = site_of(environment) / "deriva_ml"  # found before the release, which is further down on the path
    package.mkdir()
    for name in ("__init__", "run_model"):
        (package / f"{name}.py").touch()
    for module in ("bump_version", "run_notebook"):
        (package / f"{module}.py").write_text(MAIN_LINE)

    done = subprocess.run([started, "--help"], capture_output=True, text=True, check=False)

    assert done.stdout == "main line\n", done.stderr


@pytest.mark.parametrize("name", ["other", "my-bump-version", "bump-version.py"])
def test_other_programs_import_nothing_of_us(environment: Path, tmp_path: Path, name: str) -> None:
    program = tmp_path / name
    program.write_text("import sys; print([m for m in sys.modules if m.startswith('deriva_ml.')])")

    done = subprocess.run([environment / "bin" / "python", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
    assert done.stderr == ""


def test_the_wheel_puts_the_file_where_python_reads_it() -> None:
    pyproject = (SOURCE.parent / "pyproject.toml").read_text()

    assert '"src/deriva_ml_kit/cli/names.pth" = "deriva_ml_kit_names.pth"' in pyproject
    assert sys.version_info < (3, 14)
