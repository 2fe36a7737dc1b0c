"""Schemas, tables and their rows; new tables."""
