"""What can be run: each module registers options of a config group, and deriva-ml-run loads them all.

`deriva_ml` (catalog), `datasets`, `assets`, `workflow` and `model_config` make up a run; `experiment` names such a
choice, `multirun` a sweep. `uv run deriva-ml-run --info` lists what there is.
"""
