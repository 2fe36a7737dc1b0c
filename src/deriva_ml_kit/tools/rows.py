"""Rows from CSV or JSON into a table."""
