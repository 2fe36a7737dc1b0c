"""Serve a model over HTTP: POST /predict, GET /health /ready /info /metrics.

Nothing is answered before the model's file is verified and its golden records are reproduced, by the code in the
regions below; until then /ready says why not. Every answer is a line of the prediction log before it is sent. What the
options do in detail: uv run deriva-ml-ops serve --help

Two places are yours, and must be what the training used: `load` reads the model's file, `transform` makes features of
the records that are sent. A model that is sent its features needs neither: deriva-ml-ops serve does the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deriva_ml_kit import script
from deriva_ml_kit.cli.ops import serve
from deriva_ml_kit.ops.access import connect
from deriva_ml_kit.ops.serving.upload import upload_logs

# isort: split
# >>> edit: imports
import pandas as pd

from deriva_ml_kit.ops.serving.model import read_joblib

# <<< edit: imports


# >>> edit: load
def load(path: Path) -> Any:
    """The model of a file: an object with `predict(frame)`, and `predict_proba(frame)` and `classes_` for scores."""
    return read_joblib(path)


# <<< edit: load


# >>> edit: transform
def transform(raw: pd.DataFrame) -> pd.DataFrame:
    """The features of raw records, each from its own record alone; import it from the module that the training uses."""
    return raw


# <<< edit: transform


def main(args: argparse.Namespace) -> Mapping[str, Any]:
    """Serve until SIGTERM or Ctrl-C; then store the log, if that is asked for."""
    if args.dry_run:
        return serve.tried(args, load=load, transform=transform)
    done = serve.serve(args, load=load, transform=transform)
    if not args.upload or args.export:
        return done
    ml = connect(args.hostname, args.catalog_id)
    workflow = ml.create_workflow(
        name=Path(__file__).stem, workflow_type=args.workflow_type, description="Serves a model over HTTP"
    )
    return {**done, "files": upload_logs(ml, args.log, workflow=workflow)}


ARGUMENTS = script.parser(
    __doc__,
    """examples:
  uv run python src/scripts/serve_model.py --hostname data.example.org --catalog-id 1 --model tumours --dry-run
  ... without --dry-run    on 127.0.0.1:8000
  ... --export model       what a container needs, in a folder
  uv run python src/scripts/serve_model.py --folder model --listen 0.0.0.0      there, without a catalog
  ... --upload --workflow-type Prediction    the log into the catalog at the end, as outputs of an execution

exit codes: 0 ended by a signal with everything answered and logged, or --dry-run: ready; 1 failed, or --dry-run: not
ready; 2 wrong usage""",
    catalog=False,
    workflow_type=False,
)
CATALOG = ARGUMENTS.add_argument_group("catalog, where the model comes from one")
CATALOG.add_argument("--hostname", metavar="HOST[:PORT]", help="DERIVA host; the project's where not given")
CATALOG.add_argument("--catalog-id", metavar="ID", help="catalog on that host; likewise")
CATALOG.add_argument(
    "--upload", action="store_true", help="store the log at the end: needs host, catalog and this type"
)
CATALOG.add_argument("--workflow-type", metavar="TERM", default="Prediction", help="of that execution (Prediction)")
CATALOG.add_argument("--allow-dirty", action="store_true", help="store it although the repository has changes")
serve.arguments(ARGUMENTS)

if __name__ == "__main__":
    script.run(main, ARGUMENTS)
