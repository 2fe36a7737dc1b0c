"""Datasets as objects: members, versions, parents and children."""
