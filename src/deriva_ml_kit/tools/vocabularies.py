"""Vocabularies and their terms."""
