"""What a run was: recorded while it runs, read again from the catalog, made again, copied to MLflow.

record      parameters, metrics, loss curves, seeds, environment and hardware, as an output of the run
hardware    processor, memory, graphics cards
runs        runs as the catalog has them, also those that recorded nothing themselves; a frame to compare them
recorded    what an execution says of itself: command, commit, configuration, inputs
again       the same run at the same commit, in a worktree
compare     what is equal, what differs within a tolerance, what differs
reproduce   all of this, and its report in the catalog
mirror      a copy in MLflow
"""
