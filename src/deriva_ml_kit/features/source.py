"""The file that feature values come from, recorded as an input of the execution that adds them.

The release has no call for it: what an execution uploads becomes its output. So the file goes to the object store and
into ``Execution_Asset`` (file name, MD5, length) here, and is linked to the execution with the role Input. Content
that is there already under the same name is linked, not stored twice.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deriva.core import DEFAULT_CHUNK_SIZE
from deriva.core.hatrac_store import HatracStore
from deriva.core.utils.hash_utils import compute_file_hashes
from deriva.core.utils.mime_utils import guess_content_type

from deriva_ml_kit.mainline import DerivaML

TABLE = "Execution_Asset"
TYPE = "Input_File"


def record_input_file(ml: DerivaML, execution_rid: str, path: Path) -> str:
    """Store a file and link it to an execution as its input.

    Returns:
        The RID of the file's row in ``Execution_Asset``.
    """
    tables = ml.catalog.getPathBuilder().schemas[ml.ml_schema].tables
    md5_hex, md5_base64 = compute_file_hashes(str(path), ["md5"])["md5"]
    asset = tables[TABLE]
    stored = list(asset.filter((asset.MD5 == md5_hex) & (asset.Filename == path.name)).entities().fetch())
    if stored:
        row: dict[str, Any] = stored[0]
    else:
        url = _put(ml, path, md5_hex, md5_base64)
        new = {"URL": url, "Filename": path.name, "Length": path.stat().st_size, "MD5": md5_hex}
        row = asset.insert([new])[0]
    rid: str = row["RID"]
    tables[f"{TABLE}_Asset_Type"].insert([{TABLE: rid, "Asset_Type": TYPE}], on_conflict_skip=True)
    link = {TABLE: rid, "Execution": execution_rid, "Asset_Role": "Input"}
    tables[f"{TABLE}_Execution"].insert([link], on_conflict_skip=True)
    return rid


def _put(ml: DerivaML, path: Path, md5_hex: str, md5_base64: str) -> str:
    store = HatracStore("https", ml.host_name, ml.credential)
    name = re.sub(r"[^\w.-]", "_", path.name, flags=re.ASCII)
    url: str = store.put_loc(
        f"/hatrac/{TABLE}/{md5_hex}.{name}",
        str(path),
        md5=md5_base64,
        content_type=guess_content_type(str(path)),
        content_disposition=f"filename*=UTF-8''{quote(path.name)}",
        chunked=path.stat().st_size > DEFAULT_CHUNK_SIZE,
    )
    return url
