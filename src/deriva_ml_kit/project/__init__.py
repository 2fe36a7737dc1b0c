"""A user's repository: made by `new-project`, read by `bootstrap-status`, tagged by `bump-version`."""
