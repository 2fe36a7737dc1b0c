"""Features: record classes, staged values, values read back and one chosen of several."""
