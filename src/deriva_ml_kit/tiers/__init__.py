"""The three tiers as evidence: what a run shows, the checks of it, receipts, and the gate that asks for them."""
