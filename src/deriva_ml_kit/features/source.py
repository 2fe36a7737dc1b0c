"""The file that feature values come from, recorded as an input of the execution that adds them.

The release has no call for it: what an execution uploads becomes its output. So the file goes to the object store and
into ``Execution_Asset`` (file name, MD5, length) here, and is linked to the execution with the role Input. Content
that is there already under the same name is linked, not stored twice.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from deriva.core import DEFAULT_CHUNK_SIZE
from deriva.core.hatrac_store import HatracStore
from deriva.core.utils.hash_utils import compute_file_hashes
from deriva.core.utils.mime_utils import guess_content_type

from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.mainline.catalog.lookup import rows_with
from deriva_ml_kit.mainline.catalog.rows import insert

TABLE = "Execution_Asset"
TYPE = "Input_File"


def record_input_file(ml: DerivaML, execution_rid: str, path: Path) -> str:
    """Store a file and link it to an execution as its input.

    Returns:
        The RID of the file's row in ``Execution_Asset``.
    """
    md5_hex, md5_base64 = compute_file_hashes(str(path), ["md5"])["md5"]
    same_content = rows_with(ml.catalog, ml.ml_schema, TABLE, "MD5", [md5_hex])
    row = next((row for row in same_content if row["Filename"] == path.name), None)
    if row is None:
        url = _put(ml, path, md5_hex, md5_base64)
        new = {"URL": url, "Filename": path.name, "Length": path.stat().st_size, "MD5": md5_hex}
        [row] = insert(ml.catalog, ml.ml_schema, TABLE, [new])
    rid: str = row["RID"]
    kind = {TABLE: rid, "Asset_Type": TYPE}
    insert(ml.catalog, ml.ml_schema, f"{TABLE}_Asset_Type", [kind], skip_conflicts=True)
    link = {TABLE: rid, "Execution": execution_rid, "Asset_Role": "Input"}
    insert(ml.catalog, ml.ml_schema, f"{TABLE}_Execution", [link], skip_conflicts=True)
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
