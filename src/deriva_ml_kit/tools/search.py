"""Finding things in a catalog by words."""
