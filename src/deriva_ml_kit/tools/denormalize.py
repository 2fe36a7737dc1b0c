"""Tables of a dataset side by side."""
