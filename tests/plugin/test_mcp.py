"""What Claude Code starts for the plugin's tools can be started."""

import json
import tomllib

from plugin_checks.documents import ROOT


def test_the_server_is_a_program_of_the_distribution_with_all_that_it_needs():
    (server,) = json.loads((ROOT / ".mcp.json").read_text())["mcpServers"].values()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    *options, program = server["args"]
    extras = {options[n + 1] for n, option in enumerate(options) if option == "--extra"}

    assert (server["command"], options[0]) == ("uv", "run")
    assert program in project["scripts"]
    assert extras == {"mcp", "local"} <= set(project["optional-dependencies"])
    assert "--no-dev" in options


def test_the_server_is_installed_apart_from_the_plugin_and_works_in_the_persons_folder():
    ((name, server),) = json.loads((ROOT / ".mcp.json").read_text())["mcpServers"].items()

    assert name == "deriva-ml"
    assert server["args"][server["args"].index("--project") + 1] == "${CLAUDE_PLUGIN_ROOT}"
    assert server["env"] == {"UV_PROJECT_ENVIRONMENT": "${CLAUDE_PLUGIN_DATA}/venv"}
    assert not {"--directory", "cwd"} & {*server["args"], *server}
