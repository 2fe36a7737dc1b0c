"""What `bench_ops.py` measures: each module one capability, with `goals(quick)` that yields a `Goal` as it is measured."""
