"""The export service: a description of queries becomes a bag or files, made by the engine of the `deriva` package.

config    JSON document -> checked description, pure
worker    a process that runs the engine: the program itself
engine    starts workers, keeps one warm, limits and times them
service   from the caller's document to files that the caller may fetch
"""
