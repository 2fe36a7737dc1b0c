"""A full-text index of a catalog on this disk, so that words find tables, terms, datasets and runs in milliseconds.

    words       names as words, queries as words, spelling
    documents   what can be found: one document for each thing
    described   documents of rows: terms, datasets, executions, workflows
    model       documents of a catalog's schemas, tables, columns, vocabularies and features
    references  documents of the plugin's own pages
    store       the SQLite file: documents, and the rows that they were made of
    reading     what has changed in a table of the catalog since it was read last
    refresh     brings an index up to date, in one transaction
    ranking     finds documents and orders them

A file holds one catalog. It is kept in the cache folder of the user, knows what that user was shown, and can be deleted
at any time.
"""
