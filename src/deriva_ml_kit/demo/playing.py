"""Playing steps: what is done already stays, what was cut short is done again, and a page at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from deriva_ml_kit.demo.display import Display
from deriva_ml_kit.demo.state import Done
from deriva_ml_kit.demo.steps import Run, Step, commit


def play_steps(run: Run, steps: Sequence[Step], write_page: Callable[[Run], Path], *, heading: str) -> None:
    """Do every step that is not done yet, then write the report."""
    with Display([step.title for step in steps] + ["Report"], heading) as display:
        for number, step in enumerate(steps):
            if step.name in run.state.steps and not step.always:
                display.there(number, step.line(run.state.result(step.name)))
                continue
            display.begin(number)
            began, clock = time.time(), time.monotonic()
            try:
                if step.name != "project":
                    commit(run.shell, "What an interrupted run left")
                result = step.work(run)
            except BaseException:
                display.failed(number)
                raise
            seconds = time.monotonic() - clock
            run.state.finish(step.name, Done(began, seconds, result))
            display.done(number, step.line(result), seconds)
        display.begin(len(steps))
        clock = time.monotonic()
        page = write_page(run)
        display.done(len(steps), str(page), time.monotonic() - clock)
