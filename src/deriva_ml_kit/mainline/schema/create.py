"""Makes a catalog with DerivaML's tables."""

from __future__ import annotations

import contextlib
import io
import logging
from importlib.resources import as_file, files
from typing import Any

import requests
from deriva.config.acl_config import AclConfig
from deriva.core import DerivaServer, ErmrestCatalog, get_credential
from deriva_ml.schema.annotations import generate_annotation

from deriva_ml_kit import local
from deriva_ml_kit.mainline.catalog.connection import explained, reachable
from deriva_ml_kit.mainline.catalog.rows import said
from deriva_ml_kit.mainline.schema.upgrade import make, planned

logger = logging.getLogger("deriva_ml_kit")

ML_SCHEMA = "deriva-ml"
USERS = {
    "tag:misd.isi.edu,2015:display": {"name": "Users"},
    "tag:isrd.isi.edu,2016:table-display": {"row_name": {"row_markdown_pattern": "{{{Full_Name}}}"}},
    "tag:isrd.isi.edu,2016:visible-columns": {"compact": ["Full_Name", "Display_Name", "Email", "ID"]},
}


def create_ml_catalog(hostname: str, project_name: str, catalog_alias: str | None = None) -> ErmrestCatalog:
    """Make a catalog with the tables that both generations of deriva_ml need.

    A schema for the project's own tables is not made; give it the project's name.

    Args:
        hostname: Host, with a port where it is not 443.
        project_name: Begins the CURIEs of the terms.
        catalog_alias: Further name for the catalog.

    Raises:
        DerivaMLConfigurationError: Nothing answers there.
        DerivaMLAuthenticationError: Nobody is logged in, or without the right to make catalogs.
    """
    local.prepare(hostname)
    reachable(hostname)
    server = DerivaServer("https", hostname, credentials=get_credential(hostname))
    try:
        catalog = server.create_ermrest_catalog()
    except Exception as error:
        raise explained(error, hostname, "(new)") from error
    model = catalog.getCatalogModel()
    model.schemas["public"].tables["ERMrest_Client"].annotations.update(USERS)
    model.configure_baseline_catalog()
    _restrict(catalog)
    complete_ml_schema(catalog, project_name=project_name)
    if catalog_alias:
        server.create_ermrest_alias(id=catalog_alias, alias_target=catalog.catalog_id, name=project_name)
    return catalog


def complete_ml_schema(catalog: Any, schema_name: str = ML_SCHEMA, project_name: str | None = None) -> None:
    """Make DerivaML's schema in a catalog, with its tables and terms, or what is missing of it; nothing is dropped.

    (Main line's `create_ml_schema` drops a schema of that name first, with all data.)

    Args:
        catalog: ErmrestCatalog.
        schema_name: Its name.
        project_name: Begins the CURIEs of the terms; the schema's name where not given.
    """
    model = catalog.getCatalogModel()
    if schema_name not in model.schemas:
        annotations = generate_annotation(model, schema_name)["schema_annotation"]
        catalog.post("/schema", json=[{"schema_name": schema_name, "annotations": annotations}])
    make(catalog, schema_name, planned(catalog, schema_name, project_name=project_name or schema_name))


def _restrict(catalog: Any) -> None:
    """Set the access rules that come with the library; the tables that are made afterwards get those of the others."""
    server = catalog.deriva_server
    with (
        as_file(files("deriva_ml.schema").joinpath("policy.json")) as policy,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        rules = AclConfig(server.server, catalog.catalog_id, str(policy), server.credentials)
        rules.save_groups()
        rules.set_acls()
        try:
            rules.apply_acls()
        except requests.HTTPError as error:  # they would lock out whoever is in none of the groups that they name
            logger.warning("Catalog %s belongs to you alone: %s", catalog.catalog_id, said(error))
