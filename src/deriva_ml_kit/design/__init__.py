"""Design documents and the journal: templates, parser, lint, verdicts."""
