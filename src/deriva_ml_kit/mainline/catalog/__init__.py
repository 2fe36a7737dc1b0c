"""The connection, and what everything else asks and tells a catalog with."""
