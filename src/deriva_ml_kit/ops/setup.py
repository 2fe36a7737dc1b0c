"""What a catalog needs before models can be brought into production from it: terms, and the feature of stages."""

from __future__ import annotations

from typing import Any

from deriva.core.ermrest_model import Column, builtin_types

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.mainline import DerivaML
from deriva_ml_kit.ops.kinds import MODELS, STAGES, TERMS


def setup(ml: DerivaML) -> list[str]:
    """Add what is missing; what is there stays.

    Returns:
        What was added, in words.
    """
    made: list[str] = []
    if STAGES not in {table.name for table in ml.model.find_vocabularies()}:
        ml.create_vocabulary(STAGES, "Where a model is in its life")
        made.append(f"vocabulary {STAGES}")
    for vocabulary, terms in TERMS.items():
        known = {term.name for term in ml.list_vocabulary_terms(vocabulary)}
        for name, meaning in terms.items():
            if name not in known:
                ml.add_term(vocabulary, str(name), description=meaning)
                made.append(f"term {vocabulary}:{name}")
    if not any(feature.feature_name == STAGES for feature in ml.find_features(MODELS)):
        ml.create_feature(
            MODELS,
            STAGES,
            terms=[STAGES],
            metadata=[
                Column.define("Model_Name", builtin_types.text),
                Column.define("Sequence", builtin_types.int8),
                Column.define("Reason", builtin_types.text),
                Column.define("Evidence", builtin_types.text),
            ],
            optional=["Evidence"],
            comment="Stages of models, one row a transition; the last one of a model's name and stage counts",
        )
        made.append(f"feature {STAGES} of {MODELS}")
    return made


def require(ml: DerivaML) -> None:
    """Refuse a catalog that was not set up.

    Raises:
        UsageError: Something is missing.
    """
    known = {term.name for term in ml.list_vocabulary_terms("Asset_Type")}
    missing: list[Any] = [name for name in TERMS["Asset_Type"] if name not in known]
    if missing or STAGES not in {table.name for table in ml.model.find_vocabularies()}:
        raise UsageError(
            f"Catalog {ml.catalog_id} on {ml.host_name} is not prepared for operations.",
            remedy="Prepare it once: uv run deriva-ml-ops setup",
        )
