"""A time limit for code that does not limit itself."""

from __future__ import annotations

import _thread
import ctypes
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deriva_ml_kit.errors import Undecidable

DRY_RUN_SECONDS = 300.0
AGAIN_SECONDS = 5.0


@contextmanager
def time_limit(seconds: float, *, limits_itself: Callable[[], bool]) -> Iterator[None]:
    """Interrupt the block after some time, unless it limits itself by then.

    Args:
        seconds: How long the block may take.
        limits_itself: Asked when the time is over; if it says yes, the block goes on without limit.

    Raises:
        Undecidable: The time was over. Code that catches the interruption and ends as if nothing had been gets this
            error, too.
    """
    watch = _Watch(seconds, limits_itself, threading.current_thread())
    watch.start()
    try:
        yield
        watch.stop()
    except KeyboardInterrupt:
        if not watch.interrupted:
            raise
    finally:
        watch.stop()
    if watch.interrupted:
        raise Undecidable(
            f"The dry run was stopped after {seconds:.0f} s: the code limits itself to no number of batches.",
            remedy="Let its loop get the batches from the evidence, which gives two of them to a dry run:\n"
            "  from deriva_ml_kit.tiers import evidence\n"
            "  for batch in evidence().batches(loader): …",
        )


class _Watch(threading.Thread):
    def __init__(self, seconds: float, limits_itself: Callable[[], bool], watched: threading.Thread) -> None:
        super().__init__(daemon=True, name="time limit")
        self._seconds = seconds
        self._limits_itself = limits_itself
        self._watched = watched
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.interrupted = False

    def run(self) -> None:
        """Wait, then interrupt; again and again, since code may swallow an interruption and go on."""
        if self._over.wait(self._seconds) or self._limits_itself():
            return
        while not self._over.is_set():
            with self._lock:  # not after the block has ended
                if not self._over.is_set():
                    self.interrupted = True
                    _interrupt(self._watched)
            self._over.wait(AGAIN_SECONDS)

    def stop(self) -> None:
        """The block has ended."""
        with self._lock:
            self._over.set()


def _interrupt(thread: threading.Thread) -> None:
    """Raise KeyboardInterrupt in a thread; in the main thread also out of a system call that waits.

    Where a signal would not raise it, a waiting call goes on: in a program that a shell started in the background,
    which ignores interrupts, and after an upload: deriva's uploader takes them for itself and never gives them back.
    """
    ident = thread.ident or 0
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if thread is not threading.main_thread() or not raises:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(KeyboardInterrupt))
    elif sys.platform == "win32":
        _thread.interrupt_main()
    else:
        signal.pthread_kill(ident, signal.SIGINT)
