"""A model in production, with the catalog as the system of record.

    setup       what a catalog needs before any of it, and `writes`, the record of what that has made
    access      why a command does not get at what it needs, and what helps
    kinds       the terms that all of this is filed under
    documents   what is kept as an output of an execution: plans, reports, profiles
    operation   an execution of a command: its inputs, its documents, committed
    child       a program that is started and waited for
    frames      a batch of records, wherever it comes from
    predictions what a model has answered, a line for each request
    page        a page that shows a verdict, its figures and plots

Each folder is one capability and builds on these and on `deriva_ml_kit.numerics`.
"""
