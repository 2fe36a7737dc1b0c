"""From nothing to a first real training run on a DERIVA catalog, and on into operations."""
