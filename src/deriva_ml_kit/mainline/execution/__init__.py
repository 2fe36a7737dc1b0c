"""Executions: inputs, outputs and status of a run; what was run before, and what came from what."""
