"""Bringing a candidate into service step by step; each step that changes something is an execution with its evidence.

documents   the plan, and the evidence of a step
history     where a rollout stands: what its plan and its evidence lead to
running     start, step, hold, resume, roll back
report      a page of a rollout
"""

from deriva_ml_kit.ops.rollout.documents import RolloutEvidence, RolloutPlan
from deriva_ml_kit.ops.rollout.history import Standing, standing_of

__all__ = ["RolloutEvidence", "RolloutPlan", "Standing", "standing_of"]
