"""The document of an export request, checked before anything runs. Pure; source: deriva-web's export API.

What the engine could do and this host does not: load classes that a client names (`processor_type`), use somebody
else's login, ask another host, write outside of the result, send results elsewhere (`post_processors`).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from deriva_local.errors import BadRequest

KINDS = ("bdbag", "file")
ARCHIVERS = ("zip", "tar", "tgz", "bz2", "gz", "xz")
QUERY_PROCESSORS = ("csv", "env", "dir", "json", "json-stream", "download", "fetch")
TRANSFORM_PROCESSORS = ("cat", "interpolation", "strsub", "geo", "fasta", "json2csv", "column")


def checked(kind: str, document: Any, authorities: Collection[str]) -> dict[str, Any]:
    """Return the document as the engine may have it: `catalog.host` is one of ours, the bag's name a plain file name.

    Args:
        kind: `bdbag` or `file`.
        document: the parsed body.
        authorities: `host:port` under which this service answers; the first is the default.

    Raises:
        BadRequest: with all faults at once.
    """
    if not isinstance(document, dict):
        raise BadRequest("the body must be a JSON object with the members catalog and, for a bag, bag")
    config = copy.deepcopy(document)
    faults = [*_catalog(config, authorities), *_environment(config), *_transforms(config)]
    faults += _bag(config) if kind == "bdbag" else _no_bag(config)
    if config.get("post_processors"):
        faults.append(
            "post_processors: this host sends no results to other services and mints no identifiers; "
            "leave them out (deriva-ml: use_minid=False)"
        )
    if faults:
        raise BadRequest("\n".join(faults))
    return config


def authority(config: Mapping[str, Any]) -> str:
    """`host:port` of a checked document."""
    host: str = config["catalog"]["host"]
    return urlsplit(host).netloc


def _catalog(config: dict[str, Any], authorities: Collection[str]) -> list[str]:
    catalog = config.get("catalog")
    if not isinstance(catalog, dict):
        return ["catalog: must be an object with host, catalog_id and query_processors"]
    faults = []
    host = catalog.get("host") or f"https://{next(iter(authorities))}"
    netloc = urlsplit(host if "//" in str(host) else f"https://{host}").netloc if isinstance(host, str) else ""
    if netloc not in authorities:
        faults.append(f"catalog.host is {host!r}: this host exports its own catalogs only ({', '.join(authorities)})")
    catalog["host"] = f"https://{netloc}"
    if not isinstance(catalog.get("catalog_id"), str | int) or not str(catalog["catalog_id"]):
        faults.append('catalog.catalog_id is missing: the catalog\'s id, "1", or with a snapshot, "1@2TA-YDC6-BKCW"')
    if catalog.get("username") or catalog.get("password"):
        faults.append("catalog.username and password: an export runs as whoever asks for it; leave them out")
    queries = catalog.get("query_processors", catalog.pop("queries", None))
    catalog["query_processors"] = queries
    return faults + _processors("catalog.query_processors", queries, QUERY_PROCESSORS, required="query_path")


def _transforms(config: dict[str, Any]) -> list[str]:
    transforms = config.get("transform_processors", [])
    return _processors("transform_processors", transforms, TRANSFORM_PROCESSORS, required=None) if transforms else []


def _processors(where: str, processors: Any, known: Collection[str], required: str | None) -> list[str]:
    if not isinstance(processors, list) or not processors:
        return [f"{where}: must be an array with at least one processor"]
    faults = []
    for number, processor in enumerate(processors):
        place = f"{where}[{number}]"
        if not isinstance(processor, dict) or not isinstance(processor.get("processor_params"), dict):
            faults.append(f"{place}: must be an object with processor and processor_params")
            continue
        if processor.get("processor_type"):
            faults.append(f"{place}.processor_type: this host loads no classes by name; leave it out")
        if processor.get("processor") not in known:
            faults.append(f"{place}.processor is {processor.get('processor')!r}: there are {', '.join(known)}")
        if required and not isinstance(processor["processor_params"].get(required, ""), str):
            faults.append(f"{place}.processor_params.{required}: must be text")
    return faults


def _environment(config: Mapping[str, Any]) -> list[str]:
    environment = config.get("env", {})
    return [] if isinstance(environment, dict) else ["env: must be an object of names and values"]


def _bag(config: dict[str, Any]) -> list[str]:
    bag = config.get("bag")
    if not isinstance(bag, dict):
        return ["bag: must be an object with bag_name and bag_archiver"]
    faults = []
    if bag.get("bag_archiver") not in ARCHIVERS:
        faults.append(f"bag.bag_archiver is {bag.get('bag_archiver')!r}: there are {', '.join(ARCHIVERS)}")
    name = bag.get("bag_name", "deriva_bag")
    environment = config.get("env", {})
    if not isinstance(name, str) or not isinstance(environment, dict):
        return [*faults, f"bag.bag_name is {name!r}: must be text"]
    name = re.sub(r"\{(\w+)\}", lambda field: str(environment.get(field[1], field[0])), name)
    if name in ("", ".", "..") or any(character in "/\\{}" or ord(character) < 32 for character in name):
        faults.append(f"bag.bag_name is {name!r}: must be a plain file name, and its {{names}} must be in env")
    bag["bag_name"] = name
    return faults


def _no_bag(config: Mapping[str, Any]) -> list[str]:
    return ["bag: files are exported without one; ask /deriva/export/bdbag"] if config.get("bag") else []
