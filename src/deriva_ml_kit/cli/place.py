"""Where a command works: the repository around this folder, and the catalog that its configuration names."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deriva_ml_kit.design.history import root_of
from deriva_ml_kit.errors import UsageError

if TYPE_CHECKING:
    from deriva_ml_kit.mainline import DerivaML

CATALOG_FILE = Path("src/configs/catalog.json")
PINS = Path("src/configs/datasets.toml")


@dataclass(frozen=True)
class Place:
    """A catalog, and where its name comes from."""

    hostname: str
    catalog_id: str


def options(parser: argparse.ArgumentParser) -> None:
    """Add options for the catalog, with main line's short names beside ours."""
    group = parser.add_argument_group("catalog")
    group.add_argument(
        "--hostname", "--host", metavar="HOST[:PORT]", help=f"DERIVA host; the one in {CATALOG_FILE} where not given"
    )
    group.add_argument("--catalog-id", "--catalog", metavar="ID", help="catalog on that host; likewise")


def root() -> Path:
    """The folder of the repository that we are in; this folder where it is in none."""
    return root_of(Path.cwd()) or Path.cwd()


def named(args: argparse.Namespace, folder: Path) -> Place | None:
    """The catalog that the command line names, or else the project; None where neither does.

    Raises:
        UsageError: The project's file names none.
    """
    hostname, catalog_id = args.hostname, args.catalog_id
    file = folder / CATALOG_FILE
    if not (hostname and catalog_id) and file.exists():
        try:
            there = json.loads(file.read_text(encoding="utf-8"))
            hostname, catalog_id = hostname or there["hostname"], catalog_id or str(there["catalog_id"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{file} names no catalog: {error!r}", remedy='Write {"hostname": …, "catalog_id": …} into it.'
            ) from error
    return Place(hostname, catalog_id) if hostname and catalog_id else None


def required(args: argparse.Namespace, folder: Path) -> Place:
    """The same, where there has to be one.

    Raises:
        UsageError: There is none.
    """
    place = named(args, folder)
    if place is None:
        raise UsageError(f"No catalog: {folder / CATALOG_FILE} names none.", remedy="Give --hostname and --catalog-id.")
    return place


def connect(args: argparse.Namespace) -> DerivaML:
    """Open the catalog that the command line names, or else the project.

    Raises:
        UsageError: Neither does.
        AccessError: It cannot be opened; says why, and what to do.
    """
    where = required(args, root())
    from deriva_ml_kit.ops import access  # noqa: PLC0415  (takes seconds)

    return access.connect(where.hostname, where.catalog_id)


def near(path: Path) -> Path:
    """A path as it is typed from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
