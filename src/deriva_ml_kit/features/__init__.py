"""Feature values from a table file into a catalog: every row is checked before anything is written."""
