"""Whether a candidate may go on: criteria from before its training, and what the catalog says that it reached."""
