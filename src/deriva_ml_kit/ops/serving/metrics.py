"""Counts of a server as OpenMetrics text (https://prometheus.io/docs/specs/om/open_metrics_spec/)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Metrics:
    """What a server counts.

    Attributes:
        requests: HTTP status to requests for predictions.
        predictions: Arm and status to records.
        unseen: Records with a value that the training never had.
        unlogged: Records that were answered and could not be logged.
    """

    def __init__(self) -> None:
        self.requests: Counter[int] = Counter()
        self.predictions: Counter[tuple[str, int]] = Counter()
        self.unseen = 0
        self.unlogged = 0
        self._latency: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()

    def predicted(self, arm: str, status: int, milliseconds: float, *, unseen: bool) -> None:
        """Count an answer of a model."""
        self.predictions[arm, status] += 1
        self.unseen += unseen
        counts = self._latency.setdefault(arm, [0] * (len(BUCKETS) + 1))
        counts[bisect_left(BUCKETS, milliseconds / 1000)] += 1
        self._seconds[arm] += milliseconds / 1000  # type: ignore[assignment]  # a Counter also sums floats

    def text(self, gauges: Mapping[str, tuple[str, float]], counters: Mapping[str, tuple[str, float]]) -> str:
        """All of it.

        Args:
            gauges: Name to help and value, of what goes up and down.
            counters: The same of what only grows.
        """
        lines = [
            *_family("requests", "counter", "Requests for predictions, by HTTP status"),
            *(f'deriva_ml_requests_total{{status="{status}"}} {n}' for status, n in sorted(self.requests.items())),
            *_family("predictions", "counter", "Records that a model answered, by arm and status"),
            *(
                f'deriva_ml_predictions_total{{arm="{arm}",status="{status}"}} {n}'
                for (arm, status), n in sorted(self.predictions.items())
            ),
            *_family("model_seconds", "histogram", "Seconds that a model took, by arm", "seconds"),
            *(line for arm in sorted(self._latency) for line in self._histogram(arm)),
        ]
        grown = {
            **counters,
            "unseen": ("Records with a value that the training never had", self.unseen),
            "unlogged": ("Records that could not be logged", self.unlogged),
        }
        for name, (meaning, value) in grown.items():
            lines += [*_family(name, "counter", meaning), f"deriva_ml_{name}_total {value:g}"]
        for name, (meaning, value) in gauges.items():
            lines += [*_family(name, "gauge", meaning), f"deriva_ml_{name} {value:g}"]
        return "\n".join([*lines, "# EOF\n"])

    def _histogram(self, arm: str) -> Iterable[str]:
        total = 0
        for edge, count in zip([*map(str, BUCKETS), "+Inf"], self._latency[arm], strict=True):
            total += count
            yield f'deriva_ml_model_seconds_bucket{{arm="{arm}",le="{edge}"}} {total}'
        yield f'deriva_ml_model_seconds_sum{{arm="{arm}"}} {self._seconds[arm]:.6f}'
        yield f'deriva_ml_model_seconds_count{{arm="{arm}"}} {total}'


def _family(name: str, kind: str, meaning: str, unit: str | None = None) -> list[str]:
    head = [f"# TYPE deriva_ml_{name} {kind}", f"# HELP deriva_ml_{name} {meaning}"]
    return [head[0], f"# UNIT deriva_ml_{name} {unit}", head[1]] if unit else head
