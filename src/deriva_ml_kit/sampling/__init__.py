"""Which records go where: splits and samples, computed from tables of records; nothing here knows a catalog."""

from deriva_ml_kit.sampling.faults import CannotSample
from deriva_ml_kit.sampling.partition import Leak, assign, leaks
from deriva_ml_kit.sampling.quota import Sample, quota_sample
from deriva_ml_kit.sampling.records import Missing, Records, records
from deriva_ml_kit.sampling.selectors import SelectionFunction, random_split, stratified_split
from deriva_ml_kit.sampling.sizes import part_sizes

__all__ = [
    "CannotSample",
    "Leak",
    "Missing",
    "Records",
    "Sample",
    "SelectionFunction",
    "assign",
    "leaks",
    "part_sizes",
    "quota_sample",
    "random_split",
    "records",
    "stratified_split",
]
