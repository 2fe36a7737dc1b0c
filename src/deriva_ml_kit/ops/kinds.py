"""The terms that operations file their executions, documents and models under. `deriva-ml-ops setup` adds them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class AssetType(StrEnum):
    """Types of the files that operations read and write, all of the table Execution_Asset."""

    MODEL_FILE = "Model_File"
    PREDICTION_FILE = "Prediction_File"
    METRICS_FILE = "Metrics_File"
    PAGE = "Report_Page"
    BASELINE_PROFILE = "Baseline_Profile"
    DRIFT_REPORT = "Drift_Report"
    DRIFT_RESPONSE = "Drift_Response"
    LABEL_REPORT = "Label_Report"
    FEATURE_DEFINITIONS = "Feature_Definitions"
    FEATURE_TABLE = "Feature_Table"
    GOLDEN_RECORDS = "Golden_Records"
    RUN_RECORD = "Run_Record"
    GATE_CRITERIA = "Gate_Criteria"
    EVALUATION_REPORT = "Evaluation_Report"
    GATE_REPORT = "Gate_Report"
    REGISTRATION = "Model_Registration"
    PREDICTION_LOG = "Prediction_Log"
    ROLLOUT_PLAN = "Rollout_Plan"
    ROLLOUT_EVIDENCE = "Rollout_Evidence"
    AB_TEST_PLAN = "AB_Test_Plan"
    AB_TEST_LOOK = "AB_Test_Look"
    PIPELINE_STAGE = "Pipeline_Stage"
    PIPELINE_RECORD = "Pipeline_Record"
    VALIDATION_REPORT = "Validation_Report"
    REPRODUCTION_REPORT = "Reproduction_Report"


class WorkflowType(StrEnum):
    """Kinds of work."""

    TRAINING = "Training"
    EVALUATION = "Testing"
    PREDICTION = "Prediction"
    MONITORING = "Monitoring"
    PROMOTION = "Promotion"
    ROLLOUT = "Rollout"
    AB_TEST = "AB_Test"
    PIPELINE = "Pipeline"
    REPRODUCTION = "Reproduction"
    MANAGEMENT = "Dataset_Management"
    FEATURES = "Feature_Creation"


class Stage(StrEnum):
    """Where a model is in its life; a term of the vocabulary Model_Stage."""

    CANDIDATE = "Candidate"
    STAGING = "Staging"
    SHADOW = "Shadow"
    CANARY = "Canary"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"
    REJECTED = "Rejected"


STAGES = "Model_Stage"  # the vocabulary, and the feature of Execution_Asset
MODELS = "Execution_Asset"

# Vocabulary, then term, then description: what catalogs of DerivaML do not have by themselves.
TERMS: Mapping[str, Mapping[str, str]] = {
    "Asset_Type": {
        AssetType.PREDICTION_FILE: "Predictions of a model, one row a record",
        AssetType.PAGE: "A report as a web page, for people",
        AssetType.BASELINE_PROFILE: "Distributions of a model's training data, which later batches are compared with",
        AssetType.DRIFT_REPORT: "How a batch of data differs from a baseline",
        AssetType.DRIFT_RESPONSE: "Who was told of a drift, and what was started",
        AssetType.LABEL_REPORT: "How right a model was, by labels that came later",
        AssetType.FEATURE_DEFINITIONS: "Definitions of features, with their versions",
        AssetType.FEATURE_TABLE: "Values of features at the times of events",
        AssetType.GOLDEN_RECORDS: "Inputs with the features and predictions that a model made of them when trained",
        AssetType.RUN_RECORD: "Parameters, metrics, loss curves, environment and hardware of a run",
        AssetType.GATE_CRITERIA: "What a candidate has to reach, stated before it is trained",
        AssetType.EVALUATION_REPORT: "How a model did on a dataset version",
        AssetType.GATE_REPORT: "Whether a candidate meets the criteria, against incumbent and baseline",
        AssetType.REGISTRATION: "Which links of a model were complete when it was registered",
        AssetType.PREDICTION_LOG: "What a model in service was asked and answered",
        AssetType.ROLLOUT_PLAN: "Stages and triggers of a rollout, fixed before its start",
        AssetType.ROLLOUT_EVIDENCE: "What a transition of a rollout was decided on",
        AssetType.AB_TEST_PLAN: "Registration of an A/B test, before its start",
        AssetType.AB_TEST_LOOK: "One look at the data of an A/B test",
        AssetType.PIPELINE_STAGE: "What a stage of a pipeline was given and has left, by which it is reused",
        AssetType.PIPELINE_RECORD: "What a pipeline did: which stages ran, which were reused",
        AssetType.VALIDATION_REPORT: "What was wrong with a batch of data",
        AssetType.REPRODUCTION_REPORT: "How a run that was made again differs from the first one",
    },
    "Workflow_Type": {
        WorkflowType.MONITORING: "Compares data or predictions in production with a baseline",
        WorkflowType.PROMOTION: "Moves a model from one stage to another",
        WorkflowType.ROLLOUT: "Brings a model into service step by step",
        WorkflowType.AB_TEST: "Compares models by what they do for the people who use them",
        WorkflowType.PIPELINE: "Runs stages one after another, each an execution of its own",
        WorkflowType.REPRODUCTION: "Makes a run again and compares the two",
    },
    STAGES: {
        Stage.CANDIDATE: "Registered; complete, not judged yet",
        Stage.STAGING: "Complete; is judged, tried beside what is in service, and waits for approval",
        Stage.SHADOW: "Sees the traffic; its answers are not used",
        Stage.CANARY: "Answers a part of the traffic",
        Stage.PRODUCTION: "In service",
        Stage.ARCHIVED: "Was in service, and can be restored",
        Stage.REJECTED: "Must not be used",
    },
}
