"""Datasets on this disk: what a version holds, fetching it, the cache, reading it."""
