"""A server is asked some of what it must survive; the 10,000 are `scripts/fuzz_server.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from tumours import classifier, exported, serving, tumours

from deriva_ml_kit.ops.serving.service import Settings

sys.path.append(str(Path(__file__).parents[4] / "scripts"))


def test_nothing_makes_a_server_fail(tmp_path: Path) -> None:
    from fuzz_server import fuzz  # noqa: PLC0415

    raw, _ = tumours()
    bundle = exported(tmp_path / "model", classifier(), raw)
    with serving(Settings(find=lambda: bundle, log=tmp_path / "log")) as client:
        client.until("/ready", 200)
        found = fuzz(client.url, 400, seed=7)
        refused = sum(n for status, n in client.service.metrics.requests.items() if status != 200)
    assert (found.failed, found.wrong) == (0, [])
    assert len(found.counts) >= 9
    assert found.counts["good"].keys() == {200}
    assert refused > 100
