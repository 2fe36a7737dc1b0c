"""Datasets on this disk."""
