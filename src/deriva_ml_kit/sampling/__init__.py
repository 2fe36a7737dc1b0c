"""Which records go where: splits and samples, computed from tables of records; nothing here knows a catalog."""
