"""Feature values from a table file into a catalog: every row is checked before anything is written.

    shape = read_shape(ml, "Image", "Diagnosis")
    plan = plan_values(Path("labels.csv"), shape, CatalogKnown(ml, shape))

The modules ``table``, ``schema``, ``check`` and ``plan`` know no catalog; ``catalog`` and ``source`` do.
"""

from deriva_ml_kit.features.catalog import CatalogKnown, count_values, read_shape
from deriva_ml_kit.features.plan import Plan, plan_values
from deriva_ml_kit.features.source import record_input_file

__all__ = ["CatalogKnown", "Plan", "count_values", "plan_values", "read_shape", "record_input_file"]
