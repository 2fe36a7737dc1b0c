"""What `bench_ops.py` measures: each module one capability; its `goals(quick)` yields each `Goal` as it is known."""
