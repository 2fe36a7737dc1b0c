"""Rules about labels and about which records stand where."""

from __future__ import annotations

from collections.abc import Iterable

from deriva_ml_kit.tiers.checks.finding import Finding, insufficient, judged, listed
from deriva_ml_kit.tiers.checks.material import Labels, Material

FLOOR = 5
NO_VOCABULARY = (
    "The vocabulary's terms were not handed over.",
    "Call evidence().data(…, classes=[term.name for term in ml.list_vocabulary_terms(…)]); if the targets are "
    "numbers, not classes, hand them over as floats.",
)


def known_terms(material: Material) -> Finding:
    """Every record has a label, and every label is a term of the vocabulary."""
    material.need_classes()
    parts = [(part.role, material.labels(part)) for part in material.parts]
    missing = {f"without label in {role}": int((labels.codes < 0).sum()) for role, labels in parts}
    unlabelled = sum(missing.values())
    unknown: dict[str, int] = {}
    if material.classes is not None:
        for _, labels in parts:
            unknown |= {name: count for name, count in outside(labels, material.classes).items() if count}
    elif not unlabelled:
        material.unless_without("classes")
        raise insufficient(*NO_VOCABULARY)
    return judged(
        not unknown and not unlabelled,
        {"unknown": list(unknown)[:5], **missing},
        "terms of the vocabulary only",
        detail=f"No term: {listed(unknown)}." if unknown else None,
        remedy="Add the missing terms to the vocabulary, or correct the labels; leave records without label out.",
    )


def complete(material: Material) -> Finding:
    """As many classes as the vocabulary has terms, each in the training records, with enough records."""
    material.need_classes()
    if material.classes is None:
        material.unless_without("classes")
        raise insufficient(*NO_VOCABULARY)
    if len(material.classes) < 2:
        raise insufficient("There are fewer than two classes to tell apart.", "Hand over all terms of the vocabulary.")
    train = material.labels(material.train).counts()
    total = {name: train.get(name, 0) for name in material.classes}
    for part in material.parts[1:]:
        for name, count in material.labels(part).counts().items():
            if name in total:
                total[name] += count
    absent = [name for name in material.classes if not train.get(name)]
    few = {name: count for name, count in total.items() if count < FLOOR}
    floor = material.recorded.without.get("floor")
    if floor:
        few = {}
    return judged(
        not absent and not few,
        {
            "classes": len(material.classes) - len(absent),
            "absent": absent[:20],
            "fewest": min(total.values()),
            "few": few,
        },
        {"classes": len(material.classes), "fewest": f"not judged: {floor}" if floor else FLOOR},
        detail=f"Not among the training records: {listed(absent)}." if absent else None,
        remedy="Draw the dataset so that it has every class (make-dev-dataset does), or hand over as classes only the "
        'terms that the model is to learn; where a class is rare by nature say evidence().without("floor", "why").',
    )


def disjoint_rids(material: Material) -> Finding:
    """No record is both learnt from and judged on."""
    if material.validation is None:
        material.unless_without("validation", "rids")
        raise insufficient("No validation records were handed over.", "Call evidence().data(train, validation, …).")
    train, validation = material.train.rids, material.validation.rids
    if train is None or validation is None:
        material.unless_without("validation", "rids")
        raise insufficient("The records came without RIDs.", "Hand over Records(…, rids=[…]) for both parts.")
    learnt = set(train)
    shared = sorted(learnt & set(validation))
    judged_on = {rid for call in material.recorded.predictions for rid in (() if call.rids is None else call.rids)}
    shared += sorted((learnt & set(map(str, judged_on))) - set(shared))
    return _disjoint(shared, "records", "Split the dataset anew: no record may be in two parts.")


def disjoint_groups(material: Material) -> Finding:
    """What belongs together, such as images of one Subject, stands on one side only."""
    if material.validation is None:
        material.unless_without("validation", "groups")
        raise insufficient("No validation records were handed over.", "Call evidence().data(train, validation, …).")
    train, validation = material.train.groups, material.validation.groups
    if train is None or validation is None:
        material.unless_without("validation", "groups")
        raise insufficient(
            "The records came without groups, so a Subject on both sides would not be seen.",
            'Hand over Records(…, groups=[…]) for both parts, or say evidence().without("groups", "why").',
        )
    absent = {"None", "nan", ""}
    shared = sorted((set(train) & set(validation)) - absent)
    return _disjoint(shared, "groups", "Split by group: all records of a Subject go to one part.")


def outside(labels: Labels, classes: Iterable[str]) -> dict[str, int]:
    """Return names that are no terms of the vocabulary, with how often they occur."""
    known = set(classes)
    return {name: count for name, count in labels.counts().items() if name not in known}


def _disjoint(shared: list[str], what: str, remedy: str) -> Finding:
    detail = f"On both sides: {listed(shared)}." if shared else None
    return judged(not shared, {"shared": len(shared), "which": shared[:5]}, {"shared": 0}, detail=detail, remedy=remedy)
