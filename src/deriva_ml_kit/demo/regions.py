"""Edit the marked regions of a template, as a person does in an editor.

A region is what stands between `# >>> edit: NAME` and `# <<< edit: NAME`. `apply_edits` takes the text of a
template and the text of a file that holds other contents for some of its regions, and gives the edited template.
"""

from __future__ import annotations

import re

from deriva_ml_kit.errors import KitError

_REGION = re.compile(
    r"^(?P<open>[ \t]*# >>> edit: (?P<name>\w+)[^\n]*\n)(?P<body>.*?)(?P<close>^[ \t]*# <<< edit: (?P=name)[^\n]*$)",
    re.MULTILINE | re.DOTALL,
)


def regions(text: str) -> dict[str, str]:
    """The body of each region by its name."""
    return {match["name"]: match["body"] for match in _REGION.finditer(text)}


def apply_edits(template: str, edits: str) -> str:
    """The template with each region that `edits` holds put in place of its own; the marker lines stay.

    Raises:
        KitError: `edits` names a region that the template does not have.
    """
    replacement = regions(edits)
    missing = sorted(replacement.keys() - regions(template).keys())
    if missing:
        raise KitError(
            f"The template has no region {', '.join(missing)} to edit.",
            remedy="Compare its '# >>> edit:' markers with those of the edits.",
        )
    return _REGION.sub(
        lambda match: match["open"] + replacement.get(match["name"], match["body"]) + match["close"], template
    )
