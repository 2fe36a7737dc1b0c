"""Tests of data that go on coming in, at a level that holds however often one looks.

    spending      how much of the level each look may use
    boundaries    group-sequential boundaries: for a horizon that was fixed beforehand
    always_valid  confidence sequences and mSPRT: for no horizon at all, at the price of power
    concurrent    whether one of two arms that run at the same time fails more often; exact
    ceiling       whether a share, such as that of slow requests, is above a ceiling; exact
    odds          what these two have in common

The comparators of a rollout are `concurrent` and `ceiling`; an A/B test uses `boundaries` for its metric and
`always_valid` for its guardrails.
"""
