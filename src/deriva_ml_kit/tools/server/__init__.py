"""The tools on MCP, over stdin and stdout or over HTTP on this machine; the only user of the MCP SDK.

protocol      the tools and their answers as MCP has them
calls         calls in threads: progress, cancellation, time
transports    stdin and stdout; HTTP
command       `deriva-ml-mcp`
"""

from deriva_ml_kit.tools.server.command import main

__all__ = ["main"]
