"""Whether a configuration can run."""
