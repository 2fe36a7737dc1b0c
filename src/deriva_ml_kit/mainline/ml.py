"""`DerivaML`: the connection to one catalog, with main line's names on the release.

Everything that the release does well is inherited; what is here differs (see the methods). `pathBuilder` is a property,
as in the release; in main line it is a method.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from deriva.core import get_credential

from deriva_ml_kit import local
from deriva_ml_kit.mainline.asset.methods import AssetMethods
from deriva_ml_kit.mainline.bag.methods import BagMethods
from deriva_ml_kit.mainline.catalog import transport
from deriva_ml_kit.mainline.catalog.connection import explained, not_for_ml, reachable
from deriva_ml_kit.mainline.catalog.model import Model
from deriva_ml_kit.mainline.catalog.paths import ExportPaths
from deriva_ml_kit.mainline.catalog.rids import RidMethods
from deriva_ml_kit.mainline.catalog.transport import Limits
from deriva_ml_kit.mainline.dataset.methods import DatasetMethods
from deriva_ml_kit.mainline.denormalize.methods import DenormalizeMethods
from deriva_ml_kit.mainline.errors import DerivaMLConfigurationError
from deriva_ml_kit.mainline.execution.methods import ExecutionMethods
from deriva_ml_kit.mainline.feature.methods import FeatureMethods
from deriva_ml_kit.mainline.workflow.methods import WorkflowMethods


class DerivaML(
    WorkflowMethods,
    ExecutionMethods,
    FeatureMethods,
    AssetMethods,
    DatasetMethods,
    BagMethods,
    RidMethods,
    ExportPaths,
    DenormalizeMethods,
):
    """A DerivaML catalog.

    For a catalog on this machine (`localhost:PORT`), trust in its certificate and a login are found by themselves.

    Args:
        hostname: Host, with a port where it is not 443.
        catalog_id: Number or alias.
        domain_schemas: Schema of the domain's own tables; found by itself where there is only one.
        default_schema: Which of several is meant; the release works with one.
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
                domain_schema=_one_schema(domain_schemas, default_schema),
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
        self.model = self._model = Model(self.model.model, ml_schema, self.model.domain_schema)

    def __del__(self) -> None:
        """Nothing: the release would mark a failed execution as aborted here, and does so over the network."""

    def _get_session_config(self) -> dict[str, Any]:  # the release calls it on the instance
        return transport.session_config(self.limits)

    def catalog_snapshot(self, version_snapshot: str) -> DerivaML:
        """The catalog as it was, read-only, with the same local folders.

        Args:
            version_snapshot: Catalog and snapshot, such as `1@2TA-…`.
        """
        return DerivaML(
            self.host_name,
            version_snapshot,
            default_schema=self.domain_schema,
            cache_dir=self.cache_dir,
            working_dir=self._working_root,
            ml_schema=self.ml_schema,
            credential=self.credential,
            check_auth=False,
            limits=self.limits,
        )


def _one_schema(domain_schemas: str | set[str] | None, default_schema: str | None) -> str | None:
    named = {domain_schemas} if isinstance(domain_schemas, str) else set(domain_schemas or ())
    if default_schema or len(named) < 2:
        return default_schema or next(iter(named), None)
    raise DerivaMLConfigurationError(
        f"Several domain schemas are named: {', '.join(sorted(named))}.", remedy="Say which one with default_schema=…"
    )


def _default_working_dir(hostname: str, catalog_id: str | int) -> Path:
    """A folder for each catalog: RIDs of different catalogs may be the same."""
    return Path.home() / ".deriva-ml" / hostname.replace(":", "_") / str(catalog_id)
