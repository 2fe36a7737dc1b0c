"""Make a development dataset: small, every class in it, the edge cases in it, released and pinned.

How many of each class: first the floor (a rarer class comes whole), then in proportion. Which ones: the order of a hash
of RID and seed, so that the draw is the same again whatever the order of the rows. With --group-by Subject all images
of a subject come together. The version is written as RID@version into src/configs/datasets.toml.

Run it again when there are more records or labels: the dataset is found by its name, keeps its members as far as the
quotas allow, gets what it lacks, and a new version. Where nothing is to change, nothing is written. What stands against
it is all said at once, before anything is written, with the least size that works.

To make it yours: copy it to src/scripts/, name your edge cases in the region `edge_cases`, commit, run.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.cli.make_dev_dataset import WORKFLOW, make, options

# >>> edit: edge_cases
# Records that must be in, and why: the darkest image, an empty text, the rarest site. Such as {"2-1A2B": "darkest"}.
EDGE_CASES: dict[str, str] = {}
# <<< edit: edge_cases


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Choose the members, make or change the dataset inside an execution of this script, pin its version."""
    return make(
        args,
        lambda ml: ml.create_workflow(WORKFLOW, args.workflow_type, "A small dataset for the first runs of a pipeline"),
        EDGE_CASES,
    )


ARGUMENTS = script.parser(
    __doc__,
    """examples:
  uv run python src/scripts/make_dev_dataset.py --hostname data.example.org --catalog-id 1 \\
      --workflow-type Dataset_Management --element-table Image --label Diagnosis
  ... --source 1-2A3B      draw from this dataset instead of the whole table
  ... --group-by Subject   take all images of a subject or none
  ... --size 150 --floor 8 --edge-case 2-1A2B
  ... --dry-run            say what it would hold, write nothing

exit codes: 0 it is there and pinned, 1 the catalog refused, 2 the call or the records do not allow it (all listed)""",
)
options(ARGUMENTS)

if __name__ == "__main__":
    script.run(main, ARGUMENTS)
