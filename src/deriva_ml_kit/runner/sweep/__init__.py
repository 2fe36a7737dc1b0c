"""Sweeps: many jobs of one configuration, one parent execution, one row a job.

jobs       which jobs a command line means, and the key of the sweep
launchers  what Hydra would do without a word
play       a sweep from its first job to its last
job        one job, in whichever process it is played
parent     the parent execution, in the catalog
folder     the sweep's folder
rows       the table of jobs
"""

from deriva_ml_kit.runner.sweep.play import Order, Result, play

__all__ = ["Order", "Result", "play"]
