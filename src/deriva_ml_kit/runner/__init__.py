"""What a script needs around its own code: inputs checked before an execution exists, outputs checked after it."""

from deriva_ml_kit.runner.config import read_config
from deriva_ml_kit.runner.inputs import Inputs, check_inputs, ensure_workflow_type
from deriva_ml_kit.runner.outputs import Outputs

__all__ = ["Inputs", "Outputs", "check_inputs", "ensure_workflow_type", "read_config"]
