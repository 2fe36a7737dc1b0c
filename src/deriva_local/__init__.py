"""DERIVA on localhost: catalog, object store, export and login in one process over embedded PostgreSQL."""
