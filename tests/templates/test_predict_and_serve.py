"""predict_batch.py and serve_model.py: one transform for both, to which the training's golden records hold them."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from deriva_ml_kit.cli.ops import serve

DOCKERFILE = Path(__file__).parents[2] / "skills/ml-ops/scripts/Dockerfile"
TRANSFORM = "return pd.DataFrame({'area': raw['Size'] ** 2})\n"


@pytest.fixture(scope="module")
def model(gallery: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """RID of a model whose feature is made of the raw column Size; a dataset version with four images."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    from deriva_ml_kit.mainline import Workflow  # noqa: PLC0415
    from deriva_ml_kit.ops.drift import write_baseline  # noqa: PLC0415
    from deriva_ml_kit.ops.golden import write_golden  # noqa: PLC0415
    from deriva_ml_kit.ops.kinds import TERMS  # noqa: PLC0415
    from deriva_ml_kit.ops.serving.model import Model  # noqa: PLC0415

    ml = gallery.ml
    for vocabulary in ("Asset_Type", "Workflow_Type"):
        known = {term.name for term in ml.list_vocabulary_terms(vocabulary)}
        for name, meaning in TERMS[vocabulary].items():
            if name not in known:
                ml.add_term(vocabulary, str(name), description=meaning)

    def transform(raw: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"area": raw["Size"] ** 2})

    raw = pd.DataFrame({"Size": np.arange(1, 81)})
    labels = np.where(raw["Size"] > 40, "large", "small")
    estimator = LogisticRegression().fit(transform(raw), labels)
    url = "https://github.com/example/gallery/blob/0123456789abcdef0123456789abcdef01234567/fit.py"
    workflow = Workflow(name="fit", workflow_type="Training", url=url, checksum="2" * 40, version="1.0.0")
    with ml.create_execution(workflow=workflow, description="Fit") as execution:
        dataset = execution.create_dataset(dataset_types=["Training"], description="Four images")
        dataset.add_dataset_members({"Image": list(gallery.images[:4])})
        version = dataset.release(bump="minor", description="As made")
        joblib.dump(estimator, execution.asset_file_path("Execution_Asset", "sizes.joblib", asset_types="Model_File"))
        write_baseline(execution, transform(raw))
        write_golden(execution, Model(estimator, ("area",)), raw, transform, count=50)
    execution.commit_output_assets()
    outputs = {each.filename: each.asset_rid for each in ml.list_execution_assets(execution.execution_rid, "Output")}
    return str(outputs["sizes.joblib"]), f"{dataset.dataset_rid}@{version}"


@pytest.mark.catalog
def test_both_answer_only_with_the_transform_of_the_training(
    gallery: Any, project: Any, model: tuple[str, str]
) -> None:
    rid, pin = model
    predict = ("--workflow-type", "Prediction", "--rid", rid, "--dataset", pin, "--json")
    tried = ("--rid", rid, "--dry-run", "--json")
    before = gallery.snaptime
    wrong = project.run("predict", *predict)
    assert (wrong.code, gallery.snaptime) == (1, before)
    assert "golden records cannot be tried: record 0: KeyError" in wrong.err
    unready = project.run("serve", *tried)
    assert (unready.code, unready.result["ready"]) == (1, False)
    for template in ("predict", "serve"):
        project.edit(template, lambda text: text.replace("return raw\n", TRANSFORM))
    assert project.run("serve", *tried).result == {
        "ready": True, "faults": [], "golden": {rid: "50 golden records are reproduced"}
    }  # fmt: skip
    done = project.run("predict", *predict)
    assert (done.code, done.result["rows"], done.result["counts"]) == (0, 4, {"small": 4}), done.err
    execution = gallery.ml.lookup_execution(done.result["execution_rid"])
    assert execution.workflow.url.endswith("src/scripts/predict_batch.py")
    assert {each.filename for each in execution.list_assets("Output")} >= {"predictions.csv", "predictions.jsonl"}


def test_the_dockerfile_says_what_the_command_takes() -> None:
    """No engine builds it here: it is read as text, and what it starts is parsed by the program itself."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    instructions = [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]
    known = {
        "FROM",
        "RUN",
        "WORKDIR",
        "COPY",
        "USER",
        "ENV",
        "VOLUME",
        "EXPOSE",
        "HEALTHCHECK",
        "STOPSIGNAL",
        "ENTRYPOINT",
    }
    words = [word for word, _ in instructions]
    assert set(words) <= known
    assert words[0] == "FROM"
    assert "UNTRIED" in text
    users = [rest for word, rest in instructions if word == "USER"]
    assert users == ["serve"]  # never root
    assert words.index("USER") > max(number for number, word in enumerate(words) if word == "COPY")
    assert not re.search(r"(?i)password|token|secret\b.*=|credential", "\n".join(lines))
    for word in ("ENTRYPOINT", "HEALTHCHECK"):
        (rest,) = (rest for each, rest in instructions if each == word)
        assert isinstance(json.loads(rest[rest.index("[") :]), list)
    program, *arguments = json.loads(dict(instructions)["ENTRYPOINT"])
    assert program == "deriva-ml-ops"
    made = argparse.ArgumentParser()
    serve.add(made.add_subparsers())
    parsed = made.parse_args(arguments)
    assert (str(parsed.folder), parsed.listen, str(parsed.log)) == ("model", "0.0.0.0", "/log")
    healthy = json.loads(dict(instructions)["HEALTHCHECK"].partition("CMD ")[2])
    compile(healthy[2], "healthcheck", "exec")
    assert f"127.0.0.1:{parsed.port}/health" in healthy[2]
    assert shlex.split(dict(instructions)["ENV"])[0].startswith("PATH=")
