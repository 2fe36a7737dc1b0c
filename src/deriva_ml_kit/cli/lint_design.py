"""`deriva-ml-kit lint-design`: begin design documents, and find what is wrong with them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from deriva_ml_kit.cli import place, subcommand
from deriva_ml_kit.design.agreement import Configuration, toml_configuration
from deriva_ml_kit.design.document import FOLDER, KINDS, Design
from deriva_ml_kit.design.lint import DesignFaults, documents, lint
from deriva_ml_kit.design.starting import start

if TYPE_CHECKING:
    from deriva_ml_kit.cli.subcommand import Subparsers

CONFIGS = Path("src/configs")
MAIN = "deriva_model"
DESCRIPTION = """\
Check design documents, docs/design/{model,experiment,dataset,feature}/<slug>.md:

  sections        Goal, Requirements, Validation, Upstream designs are there and filled in, nothing of the template left
  threshold       Validation has a metric, a direction and a number (accuracy >= 0.95), and names the dataset
  hyperparameters each that Requirements names is a key of the model's configuration, with the same value
  upstream        links lead to documents that exist, and never back in a circle
  status          Draft, Approved, Built or Validated; from the last committed one only forward, or back to Draft

All faults are listed, each with file, line and remedy.
"""
EPILOG = """\
examples:
  uv run lint-design                                 everything below docs/design
  uv run lint-design docs/design/model/digit-classifier.md
  uv run lint-design --new model digit-classifier    begin a document from the template of its kind
  uv run lint-design --config src/configs/model.toml compare hyperparameters with this file

Where the hyperparameters stand, the document says in brackets: `- Hyperparameters (model_config=small):` or
`(+experiment=my_experiment)` for the configuration that deriva-ml-run resolves, or `(src/configs/model_config.toml)`.

exit codes: 0 nothing is wrong, 1 there are faults, 2 there is no document, or the call is wrong
"""


def add(subparsers: Subparsers) -> None:
    """Describe the subcommand."""
    made = subcommand.add(
        subparsers,
        "lint-design",
        main,
        help_="check design documents, or begin one",
        description=DESCRIPTION,
        epilog=EPILOG,
        catalog=False,
    )
    made.add_argument(
        "places", nargs="*", type=Path, metavar="PATH", help=f"documents or folders (everything below {FOLDER})"
    )
    made.add_argument("--new", nargs=2, metavar=("KIND", "SLUG"), help=f"begin a document; kinds: {', '.join(KINDS)}")
    made.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file with the hyperparameters, for all documents"
    )


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Begin a document, or check those that are there.

    Raises:
        DesignFaults: Something is wrong.
        UsageError: A place does not exist, or a document cannot be begun.
        Undecidable: There is no document.
    """
    root = place.root()
    if args.new:
        file = start(root, *args.new)
        return {"written": str(place.near(file)), "next": f"fill it in, then: uv run lint-design {place.near(file)}"}
    files = documents(args.places or [place.near(root / FOLDER)])
    report = lint(files, lambda design: _configuration(design, root, args.config))
    if report.faults:
        raise DesignFaults(report.faults)
    return {"documents": report.files, "faults": 0} | ({"not_checked": report.notes} if report.notes else {})


def _configuration(design: Design, root: Path, given: Path | None) -> Configuration | None:
    """The configuration that a document's hyperparameters are keys of, where the project has one."""
    if given is not None:
        return toml_configuration(given)
    source = design.config or ""
    if source.endswith(".toml"):
        return toml_configuration(place.near(root / source))
    folder = root / CONFIGS
    return _resolved(folder, [source] if "=" in source else []) if folder.is_dir() else None


def _resolved(folder: Path, overrides: list[str]) -> Configuration:
    """What deriva-ml-run resolves."""
    from hydra_zen import store  # noqa: PLC0415  (takes a second)
    from omegaconf import OmegaConf  # noqa: PLC0415

    from deriva_ml_kit.runner.compose import Asked, composed  # noqa: PLC0415
    from deriva_ml_kit.runner.loading import load_folder  # noqa: PLC0415

    load_folder(folder)
    store.add_to_hydra_store(overwrite_ok=True)
    made = composed(Asked(folder, MAIN, tuple(overrides)), complete=False)
    values = OmegaConf.to_container(made.config, resolve=True)
    return Configuration(cast("dict[str, Any]", values), " ".join(["the configuration", *overrides]))
