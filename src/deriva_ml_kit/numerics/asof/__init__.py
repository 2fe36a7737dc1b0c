"""Values as they were at a moment: for each event the newest value that had happened, and was known, by then.

    join       the join of two frames, left: same rows, same order, always
    inputs     what is wrong with the frames; keys and times as integers
    columnar   which row of the values belongs to which event, by numpy
    duck       the same by DuckDB, for more rows than memory is good for
    reference  the same by looking at every pair: what the two must equal

A value has the time at which it held (event time) and may have the time at which it was known. One that was written
later than the event is not used for it, however early it held: a model in service could not have seen it either.
"""

from deriva_ml_kit.numerics.asof.join import AsOfJoin, as_of_join

__all__ = ["AsOfJoin", "as_of_join"]
