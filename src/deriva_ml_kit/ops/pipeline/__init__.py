"""A committed pipeline of stages, each a command of the project: only what changed runs again.

definition  pipeline.toml: stages, what they are given, what they make
inputs      what a stage depends on, and the key that stands for it
records     what a stage has left, found again in the catalog by its key
play        one parent execution, its stages as parts, in order
checks      what is wrong with a frame: every failure with its column, value and RID
validation  these checks as a report in the catalog
ci          a workflow file that runs the pipeline on a schedule, by hand, and on a push of configs
"""
