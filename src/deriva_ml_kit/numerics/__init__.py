"""What operations compute: arrays and frames in, records out. Nothing here knows a catalog, a file or a clock."""
