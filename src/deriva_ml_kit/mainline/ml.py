"""`DerivaML`: the connection to one catalog, with main line's names on the release.

Everything that the release does well is inherited; what is here differs (see the methods).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from deriva.core import get_credential
from deriva.core.ermrest_model import Table

from deriva_ml_kit import local
from deriva_ml_kit.mainline.asset.methods import AssetMethods
from deriva_ml_kit.mainline.bag.methods import BagMethods
from deriva_ml_kit.mainline.catalog import transport
from deriva_ml_kit.mainline.catalog.connection import (
    explained,
    no_default_schema,
    no_such_schema,
    not_for_ml,
    reachable,
)
from deriva_ml_kit.mainline.catalog.methods import CatalogMethods
from deriva_ml_kit.mainline.catalog.model import Model
from deriva_ml_kit.mainline.catalog.paths import ExportPaths
from deriva_ml_kit.mainline.catalog.paths import domain_schemas as domain_schemas_of
from deriva_ml_kit.mainline.catalog.rids import RidMethods
from deriva_ml_kit.mainline.catalog.storage import StorageMethods
from deriva_ml_kit.mainline.catalog.transport import Limits
from deriva_ml_kit.mainline.dataset.methods import DatasetMethods
from deriva_ml_kit.mainline.denormalize.methods import DenormalizeMethods
from deriva_ml_kit.mainline.execution.methods import ExecutionMethods
from deriva_ml_kit.mainline.feature.methods import FeatureMethods
from deriva_ml_kit.mainline.schema.annotations import AnnotationMethods
from deriva_ml_kit.mainline.schema.methods import SchemaMethods
from deriva_ml_kit.mainline.schema.vocabulary import Vocabulary, VocabularyMethods
from deriva_ml_kit.mainline.validation.methods import ValidationMethods
from deriva_ml_kit.mainline.workflow.methods import WorkflowMethods

# Keeps the release from choosing a domain schema, which it does only where there is exactly one.
UNDECIDED = "?"


class DerivaML(
    WorkflowMethods,
    ExecutionMethods,
    ValidationMethods,
    FeatureMethods,
    AssetMethods,
    DatasetMethods,
    BagMethods,
    RidMethods,
    ExportPaths,
    DenormalizeMethods,
    SchemaMethods,
    AnnotationMethods,
    VocabularyMethods,
    StorageMethods,
    CatalogMethods,
):
    """A DerivaML catalog.

    For a catalog on this machine (`localhost:PORT`), trust in its certificate and a login are found by themselves.

    Args:
        hostname: Host, with a port where it is not 443.
        catalog_id: Number or alias.
        domain_schemas: Schemas of the domain's own tables; where not given, all that not every catalog has.
        default_schema: In which of them new tables are made; needed where there are several.
        project_name: Name of the project; the domain schema's where not given.
        cache_dir: Where downloaded bags are kept; in the working directory where not given.
        working_dir: Where executions keep their files; `~/.deriva-ml/<host>/<catalog>` where not given. The release
            adds the user's name and `deriva-ml` to it.
        hydra_runtime_output_dir: Hydra's output folder, recorded with executions.
        ml_schema: Schema of DerivaML's tables.
        logging_level: Level of the `deriva_ml` logger.
        deriva_logging_level: Level of the libraries below it.
        credential: Instead of the one that `deriva-local login` or `deriva-globus-auth-utils login` has stored.
        use_minid: Publish downloaded bags as MINIDs, which needs S3.
        clean_execution_dir: Remove an execution's local files once they are committed.
        check_auth: Ask the host who is logged in, first of all.
        limits: How much is asked of the host at once and how long it is waited for; by default what the environment
            says (see `Limits`).

    Raises:
        DerivaMLConfigurationError: Nothing answers there, or it is no DerivaML catalog.
        DerivaMLAuthenticationError: Nobody is logged in, or without a right to this catalog.
    """

    model: Model

    def __init__(  # noqa: PLR0917  (main line's signature)
        self,
        hostname: str,
        catalog_id: str | int,
        domain_schemas: str | set[str] | None = None,
        default_schema: str | None = None,
        project_name: str | None = None,
        cache_dir: str | Path | None = None,
        working_dir: str | Path | None = None,
        hydra_runtime_output_dir: str | Path | None = None,
        ml_schema: str = "deriva-ml",
        logging_level: int = logging.WARNING,
        deriva_logging_level: int = logging.WARNING,
        credential: Any = None,
        use_minid: bool | None = None,
        clean_execution_dir: bool = True,
        *,
        check_auth: bool = True,
        limits: Limits | None = None,
    ) -> None:
        self.clean_execution_dir = clean_execution_dir
        self._execution = None
        patience: dict[str, float] = {}
        if local.is_local(hostname):
            local.prepare(hostname)
            patience["pause_seconds"] = transport.LOCAL_PAUSE_SECONDS
        self.limits = limits or Limits.from_environment(**patience)
        reachable(hostname)
        self._working_root = Path(working_dir) if working_dir else _default_working_dir(hostname, catalog_id)
        handlers = logging.getLogger().handlers[:]
        try:
            super().__init__(
                hostname,
                catalog_id,
                domain_schema=default_schema or UNDECIDED,
                project_name=project_name,
                cache_dir=cache_dir,
                working_dir=self._working_root,
                hydra_runtime_output_dir=hydra_runtime_output_dir,
                ml_schema=ml_schema,
                logging_level=logging_level,
                deriva_logging_level=deriva_logging_level,
                credential=credential or get_credential(hostname),
                use_minid=bool(use_minid),
                check_auth=check_auth,
            )
        except Exception as error:
            raise explained(error, hostname, catalog_id) from error
        finally:
            # The release configures the root logger; that is for programs to decide.
            logging.getLogger().handlers[:] = handlers
        transport.install(self.catalog, self.limits)
        if ml_schema not in self.model.schemas:
            raise not_for_ml(hostname, catalog_id, ml_schema)
        self._choose_schemas(domain_schemas, default_schema)
        self.project_name = project_name or self.default_schema or ml_schema
        self._snapshots: dict[str, DerivaML] = {}
        self._vocabularies: dict[Table, Vocabulary] = {}

    def _choose_schemas(self, named: str | set[str] | None, default: str | None) -> None:
        """Which schemas are the domain's, and which of them is meant where none is named."""
        self.model = self._model = Model(self.model.model, self.ml_schema, UNDECIDED)
        found = domain_schemas_of(self.model)
        wanted = {named} if isinstance(named, str) else set(named or found)
        missing = (wanted | ({default} if default else set())) - found
        if missing and not self.is_snapshot():  # a schema is in no snapshot from before it was made
            raise no_such_schema(self.host_name, self.catalog_id, missing, found)
        self.domain_schemas = frozenset(wanted & found)
        self.default_schema = default or (next(iter(wanted)) if len(wanted) == 1 else None)
        self.model.domain_schema = self.default_schema

    @property
    def domain_schema(self) -> str:
        """The schema of the domain's own tables where no other is named: the release's word for `default_schema`.

        Raises:
            DerivaMLConfigurationError: There are several, and none was said to be the default; or there is none.
        """
        if self.default_schema is None:
            raise no_default_schema(self.host_name, self.catalog_id, self.domain_schemas)
        return self.default_schema

    @domain_schema.setter
    def domain_schema(self, name: str) -> None:
        self.default_schema = name

    def __del__(self) -> None:
        """Nothing: the release would mark a failed execution as aborted here, and does so over the network."""

    def _get_session_config(self) -> dict[str, Any]:  # the release calls it on the instance
        return transport.session_config(self.limits)

    def catalog_snapshot(self, version_snapshot: str) -> DerivaML:
        """The catalog as it was, read-only, with the same local folders; of the same class if that is made alike.

        Args:
            version_snapshot: Catalog and snapshot, such as `1@2TA-…`.
        """
        if version_snapshot not in self._snapshots:
            kind = type(self) if type(self).__init__ is DerivaML.__init__ else DerivaML
            self._snapshots[version_snapshot] = kind(
                self.host_name,
                version_snapshot,
                default_schema=self.default_schema,
                project_name=self.project_name,
                cache_dir=self.cache_dir,
                working_dir=self._working_root,
                ml_schema=self.ml_schema,
                logging_level=self._logging_level,
                deriva_logging_level=self._deriva_logging_level,
                credential=self.credential,
                use_minid=self._use_minid,
                clean_execution_dir=self.clean_execution_dir,
                check_auth=False,
                limits=self.limits,
            )
        return self._snapshots[version_snapshot]


def _default_working_dir(hostname: str, catalog_id: str | int) -> Path:
    """A folder for each catalog: RIDs of different catalogs may be the same."""
    return Path.home() / ".deriva-ml" / hostname.replace(":", "_") / str(catalog_id)
