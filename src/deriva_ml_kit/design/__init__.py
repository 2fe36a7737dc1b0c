"""Design documents: what a model, an experiment, a dataset or a feature is for, and what it must reach.

In: Markdown files `docs/design/<kind>/<slug>.md`. Out: what they say with line numbers (`document`), what is wrong with
them (`lint`), and the verdict that a run's values give (`verdict`), kept in the document and in `tacit-knowledge.md`.
"""
