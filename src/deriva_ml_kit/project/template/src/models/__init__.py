"""One module a model: a function in the form that deriva-ml-run calls, and what it is made of."""
