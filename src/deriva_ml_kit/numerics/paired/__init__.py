"""Two models on the same records: metrics, their intervals, and whether one is better, with records in groups."""
