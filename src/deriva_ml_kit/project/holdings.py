"""What a catalog holds of a project, asked in a dozen small requests: cycle zero shall be judged within seconds.

In: host, catalog, and what the repository says is there. Out: `Holdings`; or `Unreachable`, with what to do about it.
The catalog is read by deriva's own client, since all of DerivaML takes seconds to import.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
from deriva.core import DEFAULT_SESSION_CONFIG, ErmrestCatalog, ErmrestSnapshot, HatracStore, get_credential, urlquote

from deriva_ml_kit import local
from deriva_ml_kit.design.named import NamedFeature
from deriva_ml_kit.errors import KitError
from deriva_ml_kit.project.survey import Pin
from deriva_ml_kit.tiers.receipt import Receipt, Status, parse

ML = "deriva-ml"
RECEIPTS = {2: "receipt-tier2.json", 3: "receipt-tier3.json"}
FINISHED = ("Completed", "Uploaded")
SOME = 5  # tables whose rows are counted
NEWEST = 12  # receipts of a tier that are looked at before it counts as not passed
CONNECT_SECONDS = 3.0
SESSION = DEFAULT_SESSION_CONFIG | {"retry_connect": 0, "retry_read": 1, "timeout": (CONNECT_SECONDS, 20)}


class Unreachable(KitError):
    """The catalog cannot be asked."""


@dataclass(frozen=True)
class Feature:
    """A feature: its table of values, and its column with the RID of the target."""

    table: str
    schema: str
    column: str


@dataclass(frozen=True)
class Held:
    """A pinned dataset as the catalog has it.

    Attributes:
        pin: What the project says.
        versions: Released versions, and their snapshots.
        types: Terms of Dataset_Type.
        records: Members by table, as they were in the pinned version; for development datasets only.
        labelled: How many of them have a label, as it was then; None if there is no such feature.
    """

    pin: Pin
    versions: Mapping[str, str]
    types: frozenset[str]
    records: Mapping[str, int] = field(default_factory=dict)
    labelled: int | None = None


@dataclass(frozen=True)
class Run:
    """An execution with a receipt of its tier.

    Attributes:
        execution: Its RID.
        status: How far it is.
        description: What it was for.
        receipt: Its receipt; None if that proves nothing.
        why: Why not.
    """

    execution: str
    status: str
    description: str
    receipt: Receipt | None
    why: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is finished and its checks passed."""
        return self.status in FINISHED and self.receipt is not None and self.receipt.verdict is Status.PASS


@dataclass
class Holdings:
    """What was found.

    Attributes:
        hostname: The host.
        catalog_id: The catalog.
        tables: Table -> its schema.
        features: (table, feature) -> where its values are.
        elements: Table whose rows can be members -> (schema, linking table, column of the dataset, of the member).
        rows: Rows by table, for the tables that were asked about.
        datasets: The pinned datasets that exist, by RID.
        runs: Newest runs of tiers 2 and 3 of this project, newest first.
        others: How many of each were runs of other projects.
    """

    hostname: str
    catalog_id: str
    tables: dict[str, str] = field(default_factory=dict)
    features: dict[tuple[str, str], Feature] = field(default_factory=dict)
    elements: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    datasets: dict[str, Held] = field(default_factory=dict)
    runs: dict[int, list[Run]] = field(default_factory=dict)
    others: dict[int, int] = field(default_factory=dict)


def holdings(
    hostname: str,
    catalog_id: str,
    pins: Sequence[Pin],
    labels: NamedFeature | None,
    *,
    ours: Callable[[Receipt], bool] = lambda receipt: True,
) -> Holdings:
    """Ask a catalog.

    Args:
        hostname: Its host.
        catalog_id: Number or alias.
        pins: The datasets that the project uses.
        labels: The feature with the labels.
        ours: Whether a receipt is one of this project; a catalog may serve many.

    Raises:
        Unreachable: Nothing answers, nobody is logged in, or there is no such catalog; says what to do.
    """
    credential = _reach(hostname)
    catalog = ErmrestCatalog("https", hostname, catalog_id, credential, session_config=SESSION)
    found = Holdings(hostname, catalog_id)
    try:
        _schema(found, catalog.get("/schema").json()["schemas"])
        if ML not in {*found.tables.values()}:
            return found
        _count(found, catalog, labels)
        _datasets(found, catalog, pins, credential, labels)
        _runs(found, catalog, HatracStore("https", hostname, credential, session_config=SESSION), ours)
    except requests.HTTPError as error:
        raise _refused(error, hostname, catalog_id) from error
    except requests.RequestException as error:
        raise Unreachable(f"{hostname} does not answer: {type(error).__name__}.", remedy=_start(hostname)) from error
    return found


def _reach(hostname: str) -> Any:
    host, port = local.split(hostname)
    if not requests.utils.get_environ_proxies(f"https://{hostname}/"):
        try:
            socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise Unreachable(f"Nothing answers at {hostname} ({error}).", remedy=_start(hostname)) from error
    if local.is_local(hostname):
        try:
            local.prepare(hostname)
        except KitError as error:
            raise Unreachable(error.message, remedy=error.remedy) from error
    credential = get_credential(hostname)
    if not credential:
        raise Unreachable(f"Nobody is logged in at {hostname}.", remedy=_login(hostname))
    return credential


def _start(hostname: str) -> str:
    return "uv run deriva-local start" if local.is_local(hostname) else f"curl --head https://{hostname}/"


def _login(hostname: str) -> str:
    if local.is_local(hostname):
        return "uv run deriva-local login"
    return f"uv run deriva-globus-auth-utils login --host {hostname}"


def _refused(error: requests.HTTPError, hostname: str, catalog_id: str) -> Unreachable:
    status = error.response.status_code if error.response is not None else None
    if status in (401, 403):
        return Unreachable(
            f"{hostname} does not let you into catalog {catalog_id} ({status}).", remedy=_login(hostname)
        )
    if status == 404:
        return Unreachable(f"There is no catalog {catalog_id} on {hostname}.", remedy=None)
    return Unreachable(f"{hostname} answered {status} for catalog {catalog_id}.", remedy=None)


def _schema(found: Holdings, schemas: Mapping[str, Any]) -> None:
    """Which tables there are, which hold features, which link members with datasets."""
    for schema, document in schemas.items():
        for name, table in document["tables"].items():
            found.tables.setdefault(name, schema)
            if schema == ML:
                found.tables[name] = ML
            links = {
                key["referenced_columns"][0]["table_name"]: (
                    key["foreign_key_columns"][0]["column_name"],
                    key["referenced_columns"][0],
                )
                for key in table["foreign_keys"]
                if len(key["foreign_key_columns"]) == 1
            }
            defaults = {column["name"]: column.get("default") for column in table["column_definitions"]}
            feature = defaults.get("Feature_Name")
            if feature and "Execution" in links:
                for target, (column, _) in links.items():
                    if re.match(rf"Execution_{re.escape(target)}_", name):
                        found.features[target, str(feature)] = Feature(name, schema, column)
            elif schema != ML and "Dataset" in links and name.startswith("Dataset_"):
                for target, (column, _) in links.items():
                    if name == f"Dataset_{target}":
                        found.elements[target] = (schema, name, links["Dataset"][0], column)


def _count(found: Holdings, catalog: Any, labels: NamedFeature | None) -> None:
    """Rows of the tables that members come from, and of the labels."""
    tables = {table: found.tables[table] for table in found.elements if table in found.tables}
    if labels and (feature := found.features.get((labels.table, labels.name))):
        tables[feature.table] = feature.schema
    for table, schema in list(tables.items())[:SOME]:
        path = f"/aggregate/{urlquote(schema, '')}:{urlquote(table, '')}/n:=cnt(RID)"
        found.rows[table] = catalog.get(path).json()[0]["n"]


def _datasets(found: Holdings, catalog: Any, pins: Sequence[Pin], credential: Any, labels: NamedFeature | None) -> None:
    rids = sorted({pin.rid for pin in pins})
    if not rids:
        return
    those = f"any({','.join(urlquote(rid, '') for rid in rids)})"
    there = {row["RID"] for row in catalog.get(f"/attribute/{ML}:Dataset/RID={those}/RID").json()}
    versions = catalog.get(f"/attribute/{ML}:Dataset_Version/Dataset={those}/Dataset,Version,Snapshot").json()
    types = catalog.get(f"/attribute/{ML}:Dataset_Dataset_Type/Dataset={those}/Dataset,Dataset_Type").json()
    for pin in pins:
        if pin.rid in there and pin.rid not in found.datasets:
            released = {row["Version"]: row["Snapshot"] or "" for row in versions if row["Dataset"] == pin.rid}
            kinds = frozenset(row["Dataset_Type"] for row in types if row["Dataset"] == pin.rid)
            held = Held(pin, released, kinds)
            found.datasets[pin.rid] = held
            if "Development" in kinds and released.get(pin.version):
                then = ErmrestSnapshot(
                    "https", found.hostname, found.catalog_id, released[pin.version], credential, session_config=SESSION
                )
                found.datasets[pin.rid] = _content(found, then, held, labels)


def _content(found: Holdings, then: Any, held: Held, labels: NamedFeature | None) -> Held:
    """Its members, those of datasets in it included, and how many of them have a label."""
    inside, level = [held.pin.rid], [held.pin.rid]
    while level:
        path = f"/attribute/{ML}:Dataset_Dataset/Dataset={_any(level)}/Nested_Dataset"
        level = [row["Nested_Dataset"] for row in then.get(path).json() if row["Nested_Dataset"] not in inside]
        inside += level
    records: dict[str, int] = {}
    labelled = None
    past = Holdings(found.hostname, found.catalog_id)  # tables may have come since
    _schema(past, then.get("/schema").json()["schemas"])
    for table, (schema, link, dataset, member) in past.elements.items():
        members = f"{urlquote(schema, '')}:{urlquote(link, '')}/{urlquote(dataset, '')}={_any(inside)}"
        column = urlquote(member, "")
        records[table] = then.get(f"/aggregate/{members}/n:=cnt_d({column})").json()[0]["n"]
        feature = past.features.get((table, labels.name)) if labels and labels.table == table else None
        if feature and records[table]:
            target = f"{urlquote(past.tables[table], '')}:{urlquote(table, '')}"
            values = f"{urlquote(feature.schema, '')}:{urlquote(feature.table, '')}"
            about = urlquote(feature.column, "")
            path = f"/aggregate/{members}/({column})=({target}:RID)/(RID)=({values}:{about})/n:=cnt_d({about})"
            labelled = then.get(path).json()[0]["n"]
    return Held(held.pin, held.versions, held.types, {t: n for t, n in records.items() if n}, labelled)


def _runs(found: Holdings, catalog: Any, store: Any, ours: Callable[[Receipt], bool]) -> None:
    """Executions with a receipt of their own tier among their outputs; of each tier down to the newest that passed."""
    names = ",".join(urlquote(name, "") for name in RECEIPTS.values())
    rows = catalog.get(
        f"/attribute/A:={ML}:Execution_Asset/Filename=any({names})"
        f"/L:=(RID)=({ML}:Execution_Asset_Execution:Execution_Asset)/Asset_Role=Output/E:=(Execution)=({ML}:Execution:RID)"
        "/RID:=E:RID,Made:=E:RCT,Status:=E:Status,Description:=E:Description,Filename:=A:Filename,URL:=A:URL"
    ).json()
    rows.sort(key=lambda row: (str(row["Made"]), str(row["RID"])), reverse=True)
    for tier, name in RECEIPTS.items():
        runs = found.runs.setdefault(tier, [])
        for row in [row for row in rows if row["Filename"] == name][:NEWEST]:
            run = _run(store, row, tier)
            if run.receipt and not ours(run.receipt):
                found.others[tier] = found.others.get(tier, 0) + 1
                continue
            runs.append(run)
            if run.passed:
                break


def _run(store: Any, row: Mapping[str, Any], tier: int) -> Run:
    receipt, why = None, ""
    try:
        read = parse(store.get(row["URL"]).content, f"{row['Filename']} of execution {row['RID']}")
        if read.execution_rid != row["RID"] or read.tier != tier:
            why = "its receipt is that of another run"
        else:
            receipt = read
    except KitError as error:
        why = error.message
    return Run(row["RID"], row["Status"] or "", row["Description"] or "", receipt, why)


def _any(values: Iterable[str]) -> str:
    return f"any({','.join(urlquote(value, '') for value in values)})"
