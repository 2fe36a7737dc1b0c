"""Cycle zero on the bundled digits: the whole workflow, driven as a person would type it."""
