"""What kind of work a run is; `workflow_type` is a term of the catalog's Workflow_Type."""

from hydra_zen import store

from deriva_ml_kit.runner import WorkflowConfig

store(
    WorkflowConfig(name="Train a digit classifier", workflow_type="Training", description="Trains and judges it"),
    group="workflow",
    name="default_workflow",
)
