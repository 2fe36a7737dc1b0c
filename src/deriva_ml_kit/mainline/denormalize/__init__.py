"""Tables of a dataset side by side, in one wide table: of a catalog, now or as it was, or of a bag, with one result.

plan.py      which tables, joined along which foreign keys; needs the schema only
source.py    where rows come from
live.py      ... a catalog
join.py      the rows, joined in memory
frame.py     the rows as a pandas DataFrame
methods.py   what datasets, bags and a DerivaML can do with it
"""
