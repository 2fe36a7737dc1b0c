"""The three tiers as evidence: what a run shows, the checks of it, receipts, and the gate that asks for them.

Code of models needs two names of it:

    from deriva_ml_kit.tiers import Records, evidence

    ev = evidence()
    ev.data(Records(train_x, train_y, rids=train_rids), Records(test_x, test_y, rids=test_rids), classes=terms)
"""

from deriva_ml_kit.tiers.evidence import Evidence, Records, evidence

__all__ = ["Evidence", "Records", "evidence"]
