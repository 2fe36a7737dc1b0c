"""monitor_drift.py: compares a batch in the project's own terms, as an execution of the committed script."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.catalog


@pytest.fixture(scope="module")
def training(gallery: Any) -> str:
    """RID of an execution with a baseline of one column."""
    from deriva_ml_kit.mainline import Workflow  # noqa: PLC0415
    from deriva_ml_kit.ops.drift import write_baseline  # noqa: PLC0415
    from deriva_ml_kit.ops.kinds import TERMS  # noqa: PLC0415

    for vocabulary in ("Asset_Type", "Workflow_Type"):
        known = {term.name for term in gallery.ml.list_vocabulary_terms(vocabulary)}
        for name, meaning in TERMS[vocabulary].items():
            if name not in known:
                gallery.ml.add_term(vocabulary, str(name), description=meaning)
    url = "https://github.com/example/gallery/blob/0123456789abcdef0123456789abcdef01234567/train.py"
    workflow = Workflow(name="train", workflow_type="Training", url=url, checksum="1" * 40, version="1.0.0")
    with gallery.ml.create_execution(workflow=workflow, description="Train") as execution:
        write_baseline(execution, pd.DataFrame({"Size": np.random.default_rng(0).normal(size=2000)}))
    execution.commit_output_assets()
    return str(execution.execution_rid)


def test_its_regions_say_what_is_compared_and_the_run_is_an_execution_of_the_script(
    gallery: Any, project: Any, training: str
) -> None:
    batch = pd.DataFrame({"Size": np.random.default_rng(1).normal(size=1000)})
    batch.to_csv(project.folder / "batch.csv", index=False)
    given = ("--workflow-type", "Monitoring", "--model", training, "--batch", "batch.csv", "--json")
    before = gallery.snaptime
    dry = project.run("drift", *given, "--dry-run", "--page", "../drift.html")
    assert (dry.code, dry.result["verdict"]) == (0, "ok")
    assert gallery.snaptime == before and "<svg" in (project.folder.parent / "drift.html").read_text()
    project.edit("drift", lambda text: text.replace("return frame\n", "return frame + 1\n"))
    found = project.run("drift", *given)
    assert (found.code, found.result["verdict"], found.result["new"]) == (1, "drift", True)
    execution = gallery.ml.lookup_execution(found.result["execution"])
    assert execution.workflow.url.endswith("src/scripts/monitor_drift.py")
    assert project.run("drift", *given).result["report"] == found.result["report"]
