"""Versions of datasets: `0.2.0` for a release, `0.2.0.post1.dev3` for the third change since.

Source: PEP 440 (how post and dev releases are ordered); of all that it allows, datasets have these two forms.
"""

from __future__ import annotations

import re
from typing import Any, SupportsInt

from deriva_ml.dataset.aux_classes import DatasetVersion as ReleasedVersion
from deriva_ml.dataset.aux_classes import VersionPart

from deriva_ml_kit.mainline.errors import DerivaMLValidationError

LABEL = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:\.post1\.dev(\d+))?", re.ASCII)


class InvalidVersion(DerivaMLValidationError, ValueError):
    """A text that is no version of a dataset."""


class DatasetVersion(ReleasedVersion):  # type: ignore[misc]  # the release is untyped
    """A version of a dataset; taken wherever the release takes its own.

    Args:
        major: Changes that break what used earlier versions.
        minor: Members or values added.
        patch: Corrections.
    """

    def __init__(self, major: SupportsInt, minor: SupportsInt = 0, patch: SupportsInt = 0) -> None:
        super().__init__(major, minor, patch)
        self._dev: int | None = None

    @classmethod
    def parse(cls, version: str, optional_minor_an_path: bool = False) -> DatasetVersion:
        """Read `0.2.0` or `0.2.0.post1.dev3`.

        Args:
            version: The text.
            optional_minor_an_path: The release's; has no effect there either.

        Raises:
            InvalidVersion: It is neither; also a ValueError.
        """
        found = LABEL.fullmatch(version) if isinstance(version, str) else None
        if found is None:
            raise InvalidVersion(
                f"{version!r} is no version of a dataset.", remedy="Write MAJOR.MINOR.PATCH, such as 0.2.0."
            )
        *parts, dev = found.groups()
        base = cls(*map(int, parts))
        return base if dev is None else base.in_development(int(dev))

    def in_development(self, changes: int) -> DatasetVersion:
        """The label of this version after so many changes: `0.2.0.post1.dev3`."""
        label = DatasetVersion(*self.release)
        label._dev = changes
        return label

    @property
    def release(self) -> tuple[int, int, int]:
        """Major, minor and patch."""
        return self.major, self.minor, self.patch

    @property
    def micro(self) -> int:
        """The patch."""
        return int(self.patch)

    @property
    def dev(self) -> int | None:
        """How many changes there were since the release; None for a release."""
        return self._dev

    @property
    def post(self) -> int | None:
        """1 in development, None for a release."""
        return None if self._dev is None else 1

    @property
    def is_devrelease(self) -> bool:
        """Whether it names a state in development, which no later read can give again."""
        return self._dev is not None

    def next_release(self, bump: VersionPart | str) -> DatasetVersion:
        """The release after this one, with one part advanced and those after it 0.

        Args:
            bump: Which part, as VersionPart or its name.

        Raises:
            InvalidVersion: There is no such part.
        """
        match getattr(bump, "value", bump):
            case "major":
                return DatasetVersion(self.major + 1)
            case "minor":
                return DatasetVersion(self.major, self.minor + 1)
            case "patch":
                return DatasetVersion(self.major, self.minor, self.patch + 1)
        raise InvalidVersion(f"A version has no part {bump!r}.", remedy="Say major, minor or patch.")

    def increment_version(self, component: VersionPart | str) -> DatasetVersion:
        """The release's name for `next_release`."""
        return self.next_release(component)

    def _key(self) -> tuple[int, ...]:
        return *self.release, 0 if self._dev is None else 1, self._dev or 0

    def _key_of(self, other: Any) -> tuple[int, ...] | None:
        """What another is ordered by; None where it is nothing that the release compares with."""
        if isinstance(other, ReleasedVersion):
            return other._key() if isinstance(other, DatasetVersion) else DatasetVersion(*other.to_tuple())._key()
        try:
            if isinstance(other, str):
                return DatasetVersion.parse(other)._key()
            if isinstance(other, tuple | list):
                return DatasetVersion(*other)._key()
            if isinstance(other, dict):
                return DatasetVersion(**other)._key()
        except (TypeError, ValueError):
            return None
        return None

    def __eq__(self, other: object) -> bool:
        key = self._key_of(other)
        return NotImplemented if key is None else self._key() == key

    def __ne__(self, other: object) -> bool:  # the release has one of its own
        key = self._key_of(other)
        return NotImplemented if key is None else self._key() != key

    def __lt__(self, other: Any) -> bool:
        key = self._key_of(other)
        return NotImplemented if key is None else self._key() < key

    def __le__(self, other: Any) -> bool:
        key = self._key_of(other)
        return NotImplemented if key is None else self._key() <= key

    def __gt__(self, other: Any) -> bool:
        key = self._key_of(other)
        return NotImplemented if key is None else self._key() > key

    def __ge__(self, other: Any) -> bool:
        key = self._key_of(other)
        return NotImplemented if key is None else self._key() >= key

    def __hash__(self) -> int:
        # Equal to a version of the release, so the same hash; labels in development come on top.
        return hash(self.release if self._dev is None else self._key())

    def __str__(self) -> str:
        base = ".".join(map(str, self.release))
        return base if self._dev is None else f"{base}.post1.dev{self._dev}"

    def __repr__(self) -> str:
        return f"<DatasetVersion({str(self)!r})>"


def own(version: Any) -> DatasetVersion:
    """A version in any form that the release or main line take.

    Raises:
        InvalidVersion: It is none.
    """
    if isinstance(version, DatasetVersion):
        return version
    if isinstance(version, ReleasedVersion):
        return DatasetVersion(*version.to_tuple())
    if isinstance(version, dict):
        return DatasetVersion(**version)
    if isinstance(version, tuple | list) and len(version) == 3:
        return DatasetVersion(*map(int, version))
    return DatasetVersion.parse(version)
