"""What `bench_ops.py` measures: each module one capability, with `goals(quick)` that yields each `Goal` as it is known."""
