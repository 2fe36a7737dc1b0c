"""Workflows: the script that runs, named so that it can be found again."""
