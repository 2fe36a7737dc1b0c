"""Executions, workflows, lineage."""
