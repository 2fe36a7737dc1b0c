"""How models do on a version of a test dataset: an execution, a file of predictions, and a report."""
