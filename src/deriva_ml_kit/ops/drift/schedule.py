"""The same monitoring every hour, day, week or month: text for cron, systemd or a CI service of the user's project.

Sources: crontab(5); systemd.service(5), systemd.timer(5), systemd.time(7); GitHub's "Workflow syntax for Actions".
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from deriva_ml_kit.errors import UsageError

NAME = "deriva-ml-drift"


class Every(StrEnum):
    """How often."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class When:
    """How often, and at which time.

    Attributes:
        every: How often; weeks begin on Monday, months on the 1st.
        hour: 0 to 23; not of every hour.
        minute: 0 to 59.
    """

    every: Every
    hour: int
    minute: int

    @classmethod
    def of(cls, every: str, at: str) -> When:
        """From `day` and `06:30`.

        Raises:
            UsageError: There is no such time.
        """
        hour, colon, minute = at.partition(":")
        if not (colon and hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
            raise UsageError(f"--at {at}: that is no time of the form 06:30.")
        return cls(Every(every), int(hour), int(minute))

    @property
    def cron(self) -> str:
        """The five fields of a cron line."""
        hour = "*" if self.every is Every.HOUR else str(self.hour)
        day = "1" if self.every is Every.MONTH else "*"
        return f"{self.minute} {hour} {day} * {'1' if self.every is Every.WEEK else '*'}"

    @property
    def calendar(self) -> str:
        """systemd's calendar event."""
        hour = "*" if self.every is Every.HOUR else f"{self.hour:02}"
        date = "*-*-01" if self.every is Every.MONTH else "*-*-*"
        return f"{'Mon ' if self.every is Every.WEEK else ''}{date} {hour}:{self.minute:02}:00"


@dataclass(frozen=True)
class Job:
    """What is repeated.

    Attributes:
        words: The command.
        folder: The project, absolute.
        when: How often.
    """

    words: Sequence[str]
    folder: Path
    when: When

    @property
    def command(self) -> str:
        """The command for a shell."""
        return shlex.join(self.words)


def cron_line(job: Job) -> str:
    """A line for `crontab -e`: cron mails what it prints, and knows no PATH but its own."""
    command = f"cd {shlex.quote(str(job.folder))} && {job.command}"
    return f"{job.when.cron} {command.replace('%', chr(92) + '%')}\n"  # cron takes a bare % for the end of the line


def systemd_units(job: Job) -> dict[str, str]:
    """File name to text of a service and its timer, for a user's own systemd."""
    # 1 is a drift, which is a result and no fault of the job; whoever watches the timer sees it as failed all the same.
    service = f"""\
[Unit]
Description=Drift monitoring of {_escaped(job.folder.name)}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory={_escaped(str(job.folder))}
# DERIVA_ML_WEBHOOK=https://… and DERIVA_ML_WEBHOOK_TOKEN=…, readable by this user alone
EnvironmentFile=-%h/.config/{NAME}.env
ExecStart={" ".join(_quoted(word) for word in job.words)}
"""
    timer = f"""\
[Unit]
Description=Drift monitoring of {_escaped(job.folder.name)}, every {job.when.every}

[Timer]
OnCalendar={job.when.calendar}
# a run that was missed while the machine was off is made up for
Persistent=true

[Install]
WantedBy=timers.target
"""
    return {f"{NAME}.service": service, f"{NAME}.timer": timer}


def github_workflow(job: Job, *, runner: str = "ubuntu-latest") -> str:
    """A workflow file of GitHub Actions, in UTC; the login for the DERIVA host is a secret of the repository."""
    return f"""\
# Secrets of the repository:
#   DERIVA_CREDENTIAL   the text of ~/.deriva/credential.json of an account that may write;
#                       leave it out on a runner that is logged in
#   DERIVA_ML_WEBHOOK, DERIVA_ML_WEBHOOK_TOKEN   who is told, if anybody is to be
name: drift
on:
  schedule:
    - cron: "{job.when.cron}"  # UTC
  workflow_dispatch:
permissions:
  contents: read
concurrency: {NAME}
jobs:
  monitor:
    runs-on: {runner}
    steps:
      - uses: actions/checkout@v4
      - uses: astral-sh/setup-uv@v6
      - name: Log in
        env:
          DERIVA_CREDENTIAL: ${{{{ secrets.DERIVA_CREDENTIAL }}}}
        run: |
          if [ -n "$DERIVA_CREDENTIAL" ]; then
            install -d -m 700 ~/.deriva
            (umask 077; printf '%s' "$DERIVA_CREDENTIAL" > ~/.deriva/credential.json)
          fi
      - name: Compare
        env:
          DERIVA_ML_WEBHOOK: ${{{{ secrets.DERIVA_ML_WEBHOOK }}}}
          DERIVA_ML_WEBHOOK_TOKEN: ${{{{ secrets.DERIVA_ML_WEBHOOK_TOKEN }}}}
        run: |
          {job.command}
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: drift
          path: drift.html
          if-no-files-found: ignore
"""


def _quoted(word: str) -> str:
    """A word of systemd's ExecStart, whose quotes, $ and % have meanings of their own."""
    plain = _escaped(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return plain if plain and not set(plain) & set(" \t'\";") else f'"{plain}"'


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
