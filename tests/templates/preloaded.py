"""Run scripts as programs, each in a process of its own, forked from one that has imported the libraries already.

Importing them takes seconds, and the tests start scripts dozens of times. Started as `python preloaded.py`, it takes a
JSON line for each run, `{"argv", "cwd", "env", "out", "err"}`, and answers with the exit code.

It has to lie in a folder named site-packages when it is started: the library looks for the running script among the
frames that do not.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas  # noqa: F401

import deriva_ml_kit.datasets.dev
import deriva_ml_kit.features
import deriva_ml_kit.mainline.bag.cache
import deriva_ml_kit.runner.tiered  # noqa: F401


def play(run: dict[str, Any]) -> None:
    """Be the script; does not return."""
    for path, descriptor in ((run["out"], 1), (run["err"], 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.chdir(run["cwd"])
    os.environ.clear()
    os.environ.update(run["env"])
    script = Path(run["argv"][0])
    sys.argv = run["argv"]
    sys.path[0] = str(script.parent)
    code = 0
    try:
        program = compile(script.read_text(), str(script), "exec")
        main = ModuleType("__main__")
        main.__file__ = str(script)
        sys.modules["__main__"] = main
        exec(program, main.__dict__)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if not child:
            play(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
