"""Where the URL of a workflow points to in a repository."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A file at a remote, and the SWHID of one in a repository without (see `mainline.workflow.git.Source.url`).
AT_REMOTE = re.compile(r"/blob/(?P<commit>[0-9a-f]{7,40})/(?P<path>[^?#]+)$")
IN_REPOSITORY = re.compile(r"^swh:1:cnt:[0-9a-f]{40};anchor=swh:1:rev:(?P<commit>[0-9a-f]{40});path=/(?P<path>.+)$")


@dataclass(frozen=True)
class SourcePlace:
    """A file in a repository.

    Attributes:
        commit: The last commit that changed it.
        path: Its path, with `/`.
    """

    commit: str
    path: str


def place_of(url: str | None) -> SourcePlace | None:
    """The file that the URL of a workflow names; None where it names none of a repository."""
    found = IN_REPOSITORY.search(url or "") or AT_REMOTE.search(url or "")
    return SourcePlace(found["commit"], found["path"]) if found else None
