"""Features and their values."""
