"""A rollout as a machine: rules that were fixed before the start, counts of what happened, and what follows.

    rules     stages and triggers, checked for contradictions
    windows   a log of predictions as counts by window, with everything that is wrong with it
    decide    stay, advance, hold or roll back: the same answer for the same counts, always

No data never passes and never rolls back: it waits, and holds when the time is over.
"""

from deriva_ml_kit.numerics.rollout.decide import Check, Decision, Move, decide
from deriva_ml_kit.numerics.rollout.rules import Rules, StageRules
from deriva_ml_kit.numerics.rollout.windows import Window, windows_of

__all__ = ["Check", "Decision", "Move", "Rules", "StageRules", "Window", "decide", "windows_of"]
