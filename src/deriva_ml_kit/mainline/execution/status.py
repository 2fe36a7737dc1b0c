"""How far an execution is, in main line's words; the catalog keeps the release's, which plain clients read.

The release says Completed where main line says Uploaded, and has two words for what main line calls Created.
"""

from __future__ import annotations

from enum import StrEnum


class ExecutionStatus(StrEnum):
    """How far an execution is.

    Attributes:
        Created: It is recorded; its inputs are on the way, or there.
        Running: It is at work.
        Stopped: The work is done, the outputs are not in the catalog yet.
        Failed: An error ended it.
        Pending_Upload: Its outputs are on the way to the catalog.
        Uploaded: All is done; the outputs are in the catalog.
        Aborted: It was given up.
    """

    Created = "Created"
    Running = "Running"
    Stopped = "Stopped"
    Failed = "Failed"
    Pending_Upload = "Pending_Upload"
    Uploaded = "Uploaded"
    Aborted = "Aborted"


# What main line lacks -> what it says.
RELEASED = {
    "Initializing": ExecutionStatus.Created,
    "Pending": ExecutionStatus.Created,
    "Completed": ExecutionStatus.Uploaded,
}
# A Status of the release, too, is a text.
AnyStatus = ExecutionStatus | str


def read(word: str | None) -> ExecutionStatus:
    """The status that a catalog's word stands for; none, or one that nobody knows, counts as Created."""
    known = RELEASED | {status.value: status for status in ExecutionStatus}
    return known.get(word or "", ExecutionStatus.Created)


def word_of(status: AnyStatus) -> str:
    """The word that is written to the catalog.

    Raises:
        ValueError: Neither generation has such a status.
    """
    word = str(getattr(status, "value", status))
    if word not in RELEASED and word not in ExecutionStatus.__members__:
        known = ", ".join(ExecutionStatus)
        raise ValueError(f"{word!r} is no status of an execution; there are: {known}.")
    return "Completed" if word == "Uploaded" else word


def words_for(status: AnyStatus) -> list[str]:
    """The words in a catalog that a question about a status means.

    Raises:
        ValueError: Neither generation has such a status.
    """
    word = word_of(status)
    if word in ("Initializing", "Pending"):
        return [word]
    wanted = read(word)
    return sorted({wanted.value, *(old for old, new in RELEASED.items() if new is wanted)})
