"""A DERIVA catalog on this machine."""
