"""Datasets, their members and versions."""
