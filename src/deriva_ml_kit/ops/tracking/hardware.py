"""The machine that a run used, without names of machines or people."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
from pathlib import Path

from pydantic import BaseModel, ConfigDict

NVIDIA = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
SECONDS = 5


class Hardware(BaseModel):
    """A machine.

    Attributes:
        processor: Model of the processor.
        cores: Processors that this process may use.
        memory_bytes: Main memory; None where the system does not say.
        gpus: Graphics cards with their memory, as their driver names them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    processor: str
    cores: int
    memory_bytes: int | None = None
    gpus: tuple[str, ...] = ()


@functools.cache
def hardware() -> Hardware:
    """This machine; looked at once in a process."""
    return Hardware(processor=_processor(), cores=_cores(), memory_bytes=_memory(), gpus=_gpus())


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _gpus() -> tuple[str, ...]:
    """What the driver's own program says; nothing where there is none."""
    if shutil.which(NVIDIA[0]) is None:
        return ()
    try:
        done = subprocess.run(NVIDIA, capture_output=True, text=True, check=True, timeout=SECONDS)
    except (subprocess.SubprocessError, OSError):
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip())
