"""The subcommands of `deriva-ml-ops`: each module here is one, with `add(subparsers)` and `main(args)`."""
