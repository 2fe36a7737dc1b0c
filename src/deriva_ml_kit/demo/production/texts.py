"""What a person would write: criteria, the regions of templates, the rules of a rollout, the plans of A/B tests."""

from __future__ import annotations

CRITERIA = """\
# What a digit classifier has to reach before it may serve. Registered before any candidate is trained.
dataset = "{testing}"
table = "Image"
label = "Digit"
alpha = 0.05
max_latency_ms = 100
max_bytes = 5_000_000
reason = "Postal codes are typed by hand where the classifier is not sure."

[[requirements]]
metric = "accuracy"
direction = "higher"
minimum = 0.85
min_gain = 0.0
"""

ASSETS = """
store(["{rid}"], group="assets", name="criteria")  # what a candidate has to reach, for the trainings that follow
"""

# The region `inputs` of evaluate_model.py.
INPUTS = """\
import sys
from pathlib import Path

import pandas as pd

from deriva_ml_kit.mainline import DatasetSpec

sys.path.append(str(Path(__file__).parents[1]))
from models.digits import read_part


def inputs(ml: DerivaML, dataset: str, table: str) -> pd.DataFrame:
    \"\"\"The features of each scan of the dataset, with a column RID.\"\"\"
    part = read_part(ml.download_dataset_bag(DatasetSpec.from_shorthand(dataset)))
    return part.pixels.assign(RID=part.rids)


"""

# Regions of serve_model.py. The fault is the demonstration's own, so that there is something to roll back.
SERVE_IMPORTS = """\
import itertools
import multiprocessing
import os
import sys

import pandas as pd

from deriva_ml_kit.ops.serving.model import read_joblib

sys.path.append(str(Path(__file__).parents[1]))
from models.digit_features import features

"""
SERVE_LOAD = """\
class Faulty:
    \"\"\"A deployment with a fault, put in for the demonstration: after a while every seventh answer fails.\"\"\"

    def __init__(self, model: Any) -> None:
        self.model, self.asked = model, itertools.count()
        self.classes_, self.feature_names_in_ = model.classes_, model.feature_names_in_

    def predict(self, frame: pd.DataFrame) -> Any:
        number = next(self.asked)
        if number > 120 and number % 7 == 0:
            raise MemoryError("the demonstration's fault")
        return self.model.predict(frame)

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        return self.model.predict_proba(frame)


def load(path: Path) -> Any:
    \"\"\"The model of a file; with the fault where DEMO_FAULT is set, and not in the shadow's own process.\"\"\"
    model = read_joblib(path)
    faulty = os.environ.get("DEMO_FAULT") == model.hidden_layer_sizes[0].__str__()
    return Faulty(model) if faulty and multiprocessing.parent_process() is None else model


"""
SERVE_TRANSFORM = """\
def transform(raw: pd.DataFrame) -> pd.DataFrame:
    \"\"\"Grey levels to features, by the module that the training uses.\"\"\"
    return features(raw)


"""

RULES = """\
# A rollout in seconds instead of days. The template rollout.toml has rules for real traffic.
max_error_share = 0.02
slow_ms = 1000
slow_share = 0.05
minimum_agreement = 0.8
window_minutes = 0.05
settle_seconds = 1.5

[[stages]]
share = 0.0
minimum_requests = 150
minimum_hours = 0
maximum_hours = 1

[[stages]]
share = 0.05
minimum_requests = 50
minimum_hours = 0
maximum_hours = 1

[[stages]]
share = 0.25
minimum_requests = 70
minimum_hours = 0
maximum_hours = 1

[[stages]]
share = 0.5
minimum_requests = 70
minimum_hours = 0
maximum_hours = 1
"""

AB_TEST = """\
slug = "{slug}"
question = "Are fewer digits typed by hand when the larger network reads them?"
decision = "Win: keep it. Loss or no difference: go back to the smaller one."
starts = {starts}
unit = "unit"
row = "request_id"
time = "time"
baseline = 0.93
effect = 0.03
per_day = 300
looks = 5
weeks_min = 1
salt = "{slug}"
arms = [ {{ name = "control", weight = 0.5, model_rid = "{control}" }},
         {{ name = "treatment", weight = 0.5, model_rid = "{treatment}" }} ]

[metric]
name = "read rightly"
kind = "rate"
column = "right"

[[guardrails]]
name = "answers that fail"
kind = "rate"
column = "failed"
better = "lower"
limit = 0.01
"""


def edited(template: str, regions: dict[str, str]) -> str:
    """A template with the text of its regions replaced."""
    for name, text in regions.items():
        begin, end = f"# >>> edit: {name}\n", f"# <<< edit: {name}\n"
        head, _, rest = template.partition(begin)
        _, _, tail = rest.partition(end)
        template = head + begin + text + end + tail
    return template
