"""The faults that `fault_suite.py` puts into a working project, and where each has to be caught at the latest.

A fault is an edit of the project's files, other words on the command line, another environment, or a step left out.
`tier` is where the workflow promises it: 1 for what a dry run can see, 2 for what takes a small run, 3 for the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MODEL = "src/models/digits.py"
# Steps of a play, in their order; those of a fault are counted from the step after which it comes into the project.
STEPS = ("tier 1", "tier 2", "tier 1, all data", "tier 3")
READ = '    return Part(np.array([row["RID"] for row in rows]), raw, pixels,'
# What inputs are multiplied by in one step, and not in the others.
GAIN = 'float(__import__("os").environ.get("GAIN", "1"))'


@dataclass(frozen=True)
class Fault:
    """One thing that can go wrong.

    Attributes:
        name: What is wrong.
        tier: Where it has to be caught at the latest.
        says: Regular expression that what is printed must match: caught for this reason, and not by luck.
        edits: (file, text, other text) of the project.
        words: Added to the command line of each step.
        words_at: Added to the command line of one step.
        environment: Variables of one step.
        after: Comes into the project after this step, counted from 0; 0 is from the beginning.
        committed: Whether edits are committed.
        leave_out: Steps that are not played.
        act: Does to the project's folder what no edit can.
    """

    name: str
    tier: int
    says: str
    edits: tuple[tuple[str, str, str], ...] = ()
    words: tuple[str, ...] = ()
    words_at: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    after: int = 0
    committed: bool = True
    leave_out: tuple[str, ...] = ()
    act: Callable[[Path], None] | None = None
    stops_host: bool = False


def model(old: str, new: str) -> tuple[tuple[str, str, str], ...]:
    """An edit of the model's file."""
    return ((MODEL, old, new),)


def read(line: str) -> tuple[tuple[str, str, str], ...]:
    """A line more where images have been read: `pixels`, `rows` and `label` are there."""
    return model(READ, f"    {line}\n{READ}")


def forge(folder: Path) -> None:
    """Let every receipt say that it passed."""
    for path in (folder / ".deriva-ml/receipts").glob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        for check in document["checks"]:
            check["status"] = "pass"
        path.write_text(json.dumps(document | {"verdict": "pass"}), encoding="utf-8")


NO_DATASET, NO_VERSION = "datasets.training.rid=9-ZZZZ", "datasets.training.version=77.0.0"
STOP = 'subprocess.run([str(Path(sys.executable).with_name("deriva-local")), "stop"])'

FAULTS = (
    # Configuration
    Fault("dataset that does not exist", 1, "9-ZZZZ", words=(NO_DATASET,)),
    Fault("version that does not exist", 1, r"77\.0\.0", words=(NO_VERSION,)),
    Fault("experiment that does not exist", 1, "my_experimnt", words=("+experiment=my_experimnt",)),
    Fault("key of the configuration misspelt", 1, "learning_rat", words=("model_config.learning_rat=0.01",)),
    Fault("value of another type", 1, "epochs", words=("model_config.epochs=many",)),
    Fault("model that cannot be built", 1, "hidden_", words=("model_config.hidden_units=-1",)),
    Fault(
        "asset that does not exist",
        1,
        "9-ZZZZ",
        edits=(("src/configs/assets.py", "store([],", 'store(["9-ZZZZ"],'),),
    ),
    Fault(
        "workflow type that is no term",
        1,
        "Trainig",
        edits=(("src/configs/workflow.py", '"Training"', '"Trainig"'),),
    ),
    # Code
    Fault("module that cannot be imported", 1, "jobliib", edits=model("import joblib\n", "import jobliib as joblib\n")),
    Fault("feature that does not exist", 1, "Digitt", edits=model('("Image", "Digit")}', '("Image", "Digitt")}')),
    Fault("prediction that is no term", 1, "eleven", edits=model("Digit_Class=digit", 'Digit_Class="eleven"')),
    Fault("asset type that is no term", 1, "Modl_File", edits=model('"Model_File"', '"Modl_File"')),
    Fault(
        "output that is registered and never written",
        1,
        "digit_classifier|never written",
        edits=model("    joblib.dump(model, file)\n", ""),
    ),
    Fault("no epoch at all", 1, "loss|list index", words=("model_config.epochs=0",)),
    # Data
    Fault("inputs all zero", 1, "var|constant|zero", edits=read("pixels *= 0")),
    Fault("one NaN among the inputs", 1, "finite|NaN", edits=read("pixels.iloc[3, 5] = np.nan")),
    Fault(
        "label among the inputs",
        1,
        "alone|single|oracle",
        edits=read('pixels.iloc[:, 0] = [int(label[row["RID"]]) for row in rows]'),
    ),
    Fault(
        "tested on what it was trained on",
        1,
        "disjoint|both|share",
        edits=model("return part.rows(train), part.rows(test)", "return part.rows(train), part.rows(train)"),
    ),
    Fault(
        "a subject on both sides",
        1,
        "group|subject|Subject",
        edits=(
            (MODEL, "rids=train.rids.tolist()),", "rids=train.rids.tolist(), groups=[r[-1] for r in train.rids]),"),
            (MODEL, "rids=test.rids.tolist()),\n", "rids=test.rids.tolist(), groups=[r[-1] for r in test.rids]),\n"),
        ),
    ),
    Fault(
        "three of ten classes",
        2,
        "class",
        edits=model(
            "    raw = pd.DataFrame(",
            '    rows = [row for row in rows if label[row["RID"]] in {"0", "1", "2"}]\n    raw = pd.DataFrame(',
        ),
    ),
    Fault(
        "a class in the vocabulary that no record has",
        2,
        "class",
        edits=model('list_vocabulary_terms("Digit_Class")]', 'list_vocabulary_terms("Digit_Class")] + ["ten"]'),
    ),
    Fault(
        "labels shuffled",
        2,
        "majority|guess|chance",
        edits=read(
            "label = dict(zip(label, np.random.default_rng(len(rows)).permutation(list(label.values())), strict=True))"
        ),
    ),
    Fault(
        "test labels off by one",
        2,
        "majority|guess|chance",
        edits=model(
            "    settings = {",
            "    wrong = np.array([str((int(d) + 1) % 10) for d in test.digits])\n"
            "    test = Part(test.rids, test.raw, test.pixels, wrong)\n"
            "    settings = {",
        ),
    ),
    Fault(
        "inputs a million times larger than in tier 1",
        2,
        "range",
        edits=model("digit_features.features(raw)\n", f"digit_features.features(raw) * {GAIN}\n"),
        environment={"tier 2": {"GAIN": "1e6"}},
    ),
    Fault(
        "grey levels of 0..255 after 0..1 in tier 1",
        2,
        "range",
        edits=model("digit_features.features(raw)\n", f"digit_features.features(raw) * {GAIN}\n"),
        environment={"tier 2": {"GAIN": "255"}},
    ),
    # Training
    Fault("learning rate of almost 0", 2, "loss|fell|majority|batch", words=("model_config.learning_rate=1e-12",)),
    Fault("learning rate of 1000", 2, "loss|fell|majority|batch|vary", words=("model_config.learning_rate=1000",)),
    Fault(
        "loss becomes NaN",
        2,
        "finite|nan|NaN",
        edits=model(
            "        self.losses.append(float(self.model.loss_))",
            '        self.losses.append(float("nan") if len(self.losses) > 4 else float(self.model.loss_))',
        ),
    ),
    Fault(
        "batch of another shape, after the first two",
        2,
        "features|feature names|shape",
        edits=model(
            "        self.model.partial_fit(batch.pixels,",
            "        self.model.partial_fit(batch.pixels.iloc[:, : 60 if len(self.losses) > 4 else 64],",
        ),
    ),
    Fault(
        "predictions all the same",
        2,
        "vary|same|majority",
        edits=model(
            "    predicted = fit.model.predict(test.pixels)\n", "    predicted = np.full(len(test), classes[0])\n"
        ),
    ),
    Fault(
        "seed that is not used",
        2,
        "seed|determin|repeat",
        edits=(
            (MODEL, "random_state=seed)\n        self.losses", "random_state=None)\n        self.losses"),
            (MODEL, "np.random.default_rng(seed)", "np.random.default_rng()"),
        ),
    ),
    # Outputs
    Fault(
        "another model in the file than the one that predicted",
        2,
        "reload|reproduce|file",
        edits=model(
            "    joblib.dump(model, ",
            "    joblib.dump(MLPClassifier((2,), max_iter=1).fit(train.pixels, np.roll(train.digits, 7)), ",
        ),
    ),
    Fault(
        "predictions of half of the images",
        2,
        "predict|feature value",
        edits=model("strict=True)]\n    file =", "strict=True)]\n    rows = rows[: len(rows) // 2]\n    file ="),
    ),
    Fault(
        "server gone when the outputs are sent",
        2,
        "reach|refused|connect|Connection",
        edits=(
            (MODEL, "from pathlib import Path\n", "from pathlib import Path\nimport subprocess, sys\n"),
            (MODEL, "    confidence = model", f"    evidence().dry_run or {STOP}\n    confidence = model"),
        ),
        stops_host=True,
    ),
    # Tiers and receipts
    Fault("tier 1 left out", 2, "tier 1", leave_out=("tier 1",)),
    Fault("tier 2 left out", 3, "tier 2", leave_out=("tier 2",)),
    Fault(
        "code changed after tier 1, and committed",
        2,
        "commit",
        after=1,
        edits=model("import joblib\n", "import joblib  #\n"),
    ),
    Fault(
        "code changed after tier 1, and not committed",
        2,
        "commit|dirty",
        after=1,
        edits=model("import joblib\n", "import joblib  #\n"),
        committed=False,
    ),
    Fault(
        "code changed after tier 2",
        3,
        "tier 2",
        after=2,
        edits=model("import joblib\n", "import joblib  #\n"),
    ),
    Fault(
        "hyperparameter changed after tier 1",
        2,
        "hidden_units",
        words_at={"tier 2": ("model_config.hidden_units=8",)},
    ),
    Fault("failed receipt changed by hand", 2, "receipt|seal", after=1, act=forge, edits=read("pixels *= 0")),
    # Only on all data
    Fault(
        "test images among all training images",
        3,
        "disjoint|both|share",
        edits=(
            (
                MODEL,
                "        if shared := sorted",
                "        both = zip(vars(train).values(), vars(test).values(), strict=True)\n"
                "        both = ((pd.concat if hasattr(a, 'iloc') else np.concatenate)([a, b]) for a, b in both)\n"
                "        train = Part(*both)\n"
                "        if False and (shared := sorted",
            ),
            (MODEL, "(set(train.rids) & set(test.rids)):", "(set(train.rids) & set(test.rids))):"),
        ),
    ),
    Fault(
        "loss becomes NaN on all data",
        3,
        "finite|nan|NaN",
        edits=model(
            "        self.losses.append(float(self.model.loss_))",
            '        self.losses.append(float("nan") if len(self.losses) > 999 else float(self.model.loss_))',
        ),
    ),
)
