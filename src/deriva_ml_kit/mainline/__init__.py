"""Main line's API of `deriva_ml`, on the release that people can install."""

from deriva_ml.core.exceptions import DerivaMLException, DerivaMLInvalidTerm

__all__ = ["DerivaMLException", "DerivaMLInvalidTerm"]
