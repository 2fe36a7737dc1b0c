"""`deriva-ml-ops serve`: a model behind an HTTP interface."""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.script import Verdict

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers
    from deriva_ml_kit.ops.serving.bundle import Bundle

DESCRIPTION = """\
Serve a model over HTTP: POST /predict, GET /health /ready /info /metrics. The model is the one in Production under a
name, an asset, or a folder that --export wrote, which needs no catalog. Its file is verified by checksum, requests are
checked against what it was trained on (422 with the path of each wrong field), and nothing is answered before its
golden records are reproduced: until then /ready says why not, and the server stays up.

Every answer is a line of the log before it is sent. `upload-predictions` stores closed files of the log in the catalog.

With --candidate a second model stands by (where it cannot be used, /ready tells and the first one answers everybody):
--split FILE says which share of the units it answers (canary), and whether
it sees what the first one answers (shadow: a process of its own behind a bounded queue, which never touches an answer).
The file is read again when it changes; `rollout` writes it.

A model whose features are computed from raw columns needs that code: copy the template
skills/ml-ops/scripts/serve_model.py. Where nobody waits for an answer, `predict` is simpler.
"""
EPILOG = """\
examples:
  uv run deriva-ml-ops serve --model digits                       the model in Production, on 127.0.0.1:8000
  uv run deriva-ml-ops serve --rid 3-WXYZ --export model          what a container needs, in a folder
  uv run deriva-ml-ops serve --folder model --port 8080 --log logs
  uv run deriva-ml-ops serve --model digits --candidate 3-WXYZ --split split.json
  curl -s localhost:8000/predict -H 'Content-Type: application/json' -d '{"features": {…}, "unit": "S-17"}'

split.json: {"salt": "rollout-7", "share": 0.05, "shadow": false}

It listens on this machine alone. --listen 0.0.0.0 opens it to others: put a proxy with TLS and a login before it.

exit codes: 0 ended by SIGTERM or Ctrl-C, with everything answered and logged; 1 failed; 2 wrong usage
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "serve",
        main,
        help_="serve a model over HTTP",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
    )
    place.options(made)
    arguments(made)


def arguments(made: argparse.ArgumentParser) -> None:
    """What a server needs to know; the template asks for the same."""
    which = made.add_argument_group("model").add_mutually_exclusive_group(required=True)
    which.add_argument("--model", metavar="NAME", help="name in the registry: the one in Production")
    which.add_argument("--rid", metavar="RID", help="a model's asset")
    which.add_argument("--folder", type=Path, metavar="FOLDER", help="what --export wrote")
    made.add_argument("--export", type=Path, metavar="FOLDER", help="write the model into a folder, and serve nothing")
    second = made.add_argument_group("candidate")
    second.add_argument("--candidate", metavar="RID|FOLDER", help="a second model, which stands by")
    second.add_argument("--split", type=Path, metavar="FILE", help="which units it answers; see below")
    how = made.add_argument_group("server")
    how.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (127.0.0.1)")
    how.add_argument("--port", type=int, default=8000, metavar="PORT", help="port (8000); 0 takes a free one")
    how.add_argument("--log", type=Path, default=Path("predictions"), metavar="FOLDER", help="the log (predictions)")
    how.add_argument(
        "--refuse-unseen", action="store_true", help="refuse values that the training never had, instead of naming them"
    )
    how.add_argument("--most-records", type=int, default=1000, metavar="N", help="most records of a request (1000)")
    how.add_argument("--largest-body", type=int, default=8 * 2**20, metavar="BYTES", help="largest request (8 MB)")


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Serve, or export.

    Raises:
        UsageError: Something does not fit.
    """
    return serve(args)


def serve(args: argparse.Namespace, *, load: Any = None, transform: Any = None) -> dict[str, Any]:
    """Serve until a signal comes; or write the folder that --export names.

    Args:
        args: Of `arguments`.
        load: Reads the model's file; joblib's where not given.
        transform: Makes features of raw records, as in the training.

    Raises:
        UsageError: Something does not fit.
    """
    from deriva_ml_kit.ops.serving.run import serve as run  # noqa: PLC0415  (takes seconds)
    from deriva_ml_kit.ops.serving.service import Settings, unsplit  # noqa: PLC0415
    from deriva_ml_kit.ops.serving.split import SplitFile  # noqa: PLC0415

    if args.split and not args.candidate:
        raise UsageError("--split needs a --candidate to split with.")
    if args.export:
        bundle = _model(args, args.export)
        return {"folder": str(args.export), **bundle.manifest.model_dump(mode="json")}
    with _told(), tempfile.TemporaryDirectory(prefix="deriva-ml-serve-") as folder:
        settings = Settings(
            find=lambda: _model(args, Path(folder) / "model"),
            log=args.log,
            candidate=(lambda: _candidate(args, Path(folder) / "candidate")) if args.candidate else None,
            load=load,
            transform=transform,
            refuse_unseen=args.refuse_unseen,
            most=args.most_records,
            largest=args.largest_body,
            split=SplitFile(args.split) if args.split else unsplit,
        )
        run(settings, host=args.listen, port=args.port)
    return {"ended": "everything that was asked is answered and logged", "log": str(args.log)}


def tried(args: argparse.Namespace, *, load: Any = None, transform: Any = None) -> Verdict:
    """Load the models and try their golden records, without serving; exit code 1 where one must not be served.

    Raises:
        UsageError: They cannot be found.
    """
    from deriva_ml_kit.ops.serving.bundle import load_bundle  # noqa: PLC0415  (takes seconds)

    with tempfile.TemporaryDirectory(prefix="deriva-ml-serve-") as folder:
        found = [_model(args, Path(folder) / "model")]
        if args.candidate:
            found.append(_candidate(args, Path(folder) / "candidate"))
        loaded = [load_bundle(each, load=load, transform=transform) for each in found]
    faults = [fault for each in loaded for fault in each.faults]
    golden = {each.bundle.manifest.model_rid: str(each.reproduction) for each in loaded if each.reproduction}
    return Verdict({"ready": not faults, "faults": faults, "golden": golden}, int(bool(faults)))


def _model(args: argparse.Namespace, folder: Path) -> Bundle:
    from deriva_ml_kit.ops.serving.bundle import chosen, fetch_bundle, open_bundle  # noqa: PLC0415

    if args.folder:
        return open_bundle(args.folder)
    ml = place.connect(args)
    served = chosen(ml, args.model) if args.model else None
    return fetch_bundle(ml, served.model_rid if served else args.rid, folder, served=served)


def _candidate(args: argparse.Namespace, folder: Path) -> Bundle:
    from deriva_ml_kit.ops.serving.bundle import fetch_bundle, open_bundle  # noqa: PLC0415

    if Path(args.candidate).is_dir():
        return open_bundle(Path(args.candidate))
    return fetch_bundle(place.connect(args), args.candidate, folder)


@contextmanager
def _told() -> Iterator[None]:
    """What the server says of itself goes to stderr: ready or why not, where it listens, what fails."""
    logger, handler = logging.getLogger("deriva_ml_kit.ops.serving"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
