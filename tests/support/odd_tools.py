"""`deriva-ml-mcp` with tools besides its own that wait, print, fail and answer with what JSON cannot hold."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from typing import Any

from deriva_ml_kit.tools.answers import Answer
from deriva_ml_kit.tools.call import Call
from deriva_ml_kit.tools.registry import Effect, tool
from deriva_ml_kit.tools.server import main

ENDED: list[str] = []


class Odd(Answer):
    """Whatever it is."""

    value: Any = None


@tool("Wait", Effect.READ, catalog=False)
def odd_wait(call: Call, seconds: float, name: str = "") -> Odd:
    """Wait, and tell of it."""
    for step in range(int(seconds * 20)):
        try:
            call.progress(step, seconds * 20, "waiting")
        except Exception as error:
            ENDED.append(f"{name}: {error}")
            raise
        time.sleep(0.05)
    return Odd(value=name)


@tool("Wait for too long", Effect.WRITE, catalog=False, idempotent=False, seconds=0.3)
def odd_too_long(call: Call) -> Odd:
    """Wait longer than it may."""
    return odd_wait(call, 30, "too long")


@tool("What has ended", Effect.DESTROY, catalog=False, idempotent=True)
def odd_ended(call: Call) -> Odd:
    """What ended before it was done."""
    return Odd(value=ENDED)


@tool("Print", Effect.READ, catalog=False)
def odd_print(call: Call) -> Odd:
    """Print to stdout in every way there is."""
    print('{"jsonrpc": "2.0", "id": 1, "result": {}}', flush=True)
    os.write(1, b"by the system\n")
    ctypes.CDLL(None).puts(b"by C")
    ctypes.CDLL(None).fflush(None)
    subprocess.run([sys.executable, "-c", "print('by a child')"], check=True)
    return Odd(value=sys.stdin.read())


@tool("Not JSON", Effect.READ, catalog=False)
def odd_not_json(call: Call) -> Odd:
    """What JSON cannot hold."""
    return Odd(value=[float("nan"), float("-inf"), "half \ud800", "\u2028\0é"])


@tool("Fail", Effect.READ, catalog=False)
def odd_fail(call: Call) -> Odd:
    """An error that nobody foresaw."""
    raise LookupError("unforeseen")


@tool("Which catalog", Effect.READ)
def odd_where(call: Call) -> Odd:
    """The catalog that the call names, the one that answers, and what is in it."""
    says = call.ml.catalog.get("/").json()["id"]
    return Odd(value={"call": call.catalog_id, "says": says, "schemas": list(call.ml.model.schemas)})


@tool("Hang", Effect.READ, catalog=False)
def odd_hang(call: Call) -> Odd:
    """Hang where nothing can stop it."""
    time.sleep(600)
    return Odd()


if __name__ == "__main__":
    main()
