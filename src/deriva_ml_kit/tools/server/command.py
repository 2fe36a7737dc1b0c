"""`deriva-ml-mcp`: serves the tools until its client leaves."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from deriva_ml_kit.script import quiet_libraries

PORT = 8765
LOOPBACK = ("127.0.0.1", "localhost")
DESCRIPTION = """\
Serve the tools of deriva-ml-kit to an agent, on MCP.

Without options it speaks over stdin and stdout with the one program that started it, and ends when that program closes
stdin. An agent's configuration therefore names this command; nothing happens if you type it in a terminal.

The tools work in the project that CLAUDE_PROJECT_DIR names, or else in the folder in which this is started, on the
catalog that the project's src/configs/catalog.json names unless a call names another. They use your logins."""
EPILOG = """\
examples:
  claude mcp add deriva-ml -- uv run --extra mcp deriva-ml-mcp      from a clone of the plugin, for Claude Code
  deriva-ml-mcp --http --port 8765                                  for clients that connect to a URL
  deriva-ml-kit tool --help                                         the same tools on the command line

Over HTTP any program on this machine can connect, whoever runs it, and it acts with your logins: on a machine that you
share with others use stdin and stdout. Web pages cannot connect: their origin is refused."""


def main() -> None:
    """Run the command."""
    args = _parser().parse_args()
    quiet_libraries(verbose=args.verbose)
    # The SDK knows OpenTelemetry; if that is installed and configured, it would send the names of calls elsewhere.
    os.environ["OTEL_SDK_DISABLED"] = "true"
    try:
        from deriva_ml_kit.tools.server import transports  # noqa: PLC0415  (loads the SDK, if it is there)
    except ModuleNotFoundError as error:
        sys.exit(_complain(f"{error.name} is not installed. Install it with: pip install 'deriva-ml-kit[mcp]'"))
    try:
        transports.serve(project(), args.port if args.http else None, verbose=args.verbose)
    except transports.PortTakenError as error:
        sys.exit(_complain(str(error)))


def project() -> Path:
    """Folder of the project that the agent works in."""
    named = Path(os.environ.get("CLAUDE_PROJECT_DIR") or ".")
    return (named if named.is_dir() else Path()).resolve()


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="deriva-ml-mcp",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--http", action="store_true", help="serve at http://127.0.0.1:PORT/mcp instead, until Ctrl-C")
    made.add_argument(
        "--port", type=_port, default=PORT, help="port for --http; 0 takes a free one (default: %(default)s)"
    )
    made.add_argument(
        "--host", type=_loopback, default=LOOPBACK[0], help="address for --http; only 127.0.0.1, which is the default"
    )
    made.add_argument("--verbose", action="store_true", help="show on stderr what the libraries log")
    return made


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: those are numbers up to 65535")
    return int(text)


def _loopback(text: str) -> str:
    if text not in LOOPBACK:
        raise argparse.ArgumentTypeError(
            f"{text!r} is refused: whoever reaches the server acts with your logins, "
            "so it listens on 127.0.0.1 and nowhere else"
        )
    return text


def _complain(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2
