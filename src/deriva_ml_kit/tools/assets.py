"""Assets, the files that executions use and make."""
