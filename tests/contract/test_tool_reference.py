"""references/tools.md says what the tools are now."""

import subprocess
import sys

from plugin_checks.documents import ROOT


def test_the_reference_of_the_tools_is_current() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "make_tool_reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
