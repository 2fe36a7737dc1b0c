"""Whether what an execution is to have as inputs is there, before anything is fetched or written."""
