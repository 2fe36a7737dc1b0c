"""Files of the service: contents of objects (`content`) and results of exports (`results`). Nobody else opens files.

Names of files are ids made here, never anything that a client sent. What a file belongs to is written in PostgreSQL
(objects) or in a small JSON document beside it (results).
"""
