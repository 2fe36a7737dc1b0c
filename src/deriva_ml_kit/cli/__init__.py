"""The program `deriva-ml-kit`: one subcommand a module.

Each module has `add(subparsers)`, which describes the subcommand with `subcommand.add`, and `main(args)`, which does
the work and returns what it did as a mapping. `main.SUBCOMMANDS` lists the modules.
"""
