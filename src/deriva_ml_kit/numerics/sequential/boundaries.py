"""Group-sequential boundaries by recursive integration.

Z statistics at information I_1 < I_2 < … have independent increments: Z_k √I_k grows by a normal of mean θ(I_k - I_k-1)
and variance I_k - I_k-1. The density of Z_k among those not stopped yet follows from that of Z_k-1 by one integral
(Armitage, McPherson and Rowe, JRSS A 132, 1969; Jennison and Turnbull, Group Sequential Methods, 2000, chapter 19),
here by Gauss-Legendre rules over panels of the continuation region, as many as the increment of information asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from deriva_ml_kit.errors import UsageError
from deriva_ml_kit.numerics.sequential.spending import Spending

Floats = NDArray[np.float64]

# Beyond this nobody gets by chance (1e-15): it stands for boundaries that floats cannot tell from infinity.
UNREACHABLE = 8.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)  # of one panel
PANEL = 4.0  # standard deviations of the kernel
PANELS_MAX = 250
GROWTH_MIN = 2e-4  # less new information than this, of what there is, is none: 250 panels could not resolve it


def boundaries(
    information: ArrayLike,
    alpha: float,
    *,
    planned: float,
    spending: Spending = Spending.OBRIEN_FLEMING,
    final: bool = False,
) -> Floats:
    """The boundary of |Z| at each look of a two-sided test.

    Args:
        information: At each look, growing, in any unit: units per arm, say. A look that brings nothing new may be among
            them; it has nothing to spend.
        alpha: Two-sided level of the whole test.
        planned: Information at the horizon. Beyond it (overrun) all of alpha is spent at the first look that is there.
        spending: How alpha is spent over the time.
        final: The last look ends the test: it spends what is left, even where the horizon was not reached (under-run).

    Returns:
        Boundaries, shape (looks,); infinite where a look has nothing to spend.

    Raises:
        UsageError: alpha is not in (0, 1), planned is not positive, or the information falls.
    """
    at = _information(information)
    if not 0 < alpha < 1:
        raise UsageError(f"alpha is {alpha:g}, and must be in (0, 1).")
    if not planned > 0:
        raise UsageError(f"The planned information is {planned:g}, and must be above 0.")
    target = 2 * spending(alpha / 2, at / planned)
    if final:
        target[-1] = alpha
        if len(at) > 1 and at[-1] - at[-2] <= GROWTH_MIN * at[-1]:
            # The end came without new data. What the look before would have stopped is within what is stopped now.
            settings: dict[str, Any] = {"planned": planned, "spending": spending}
            last = boundaries(np.delete(at, -2), alpha, final=True, **settings)[-1]
            return np.append(boundaries(at[:-1], alpha, **settings), last)
    walk, found, spent = _Walk(), np.full(len(at), np.inf), 0.0
    for look, (now, until) in enumerate(zip(at, target, strict=True)):
        if until > spent and now - walk.information > GROWTH_MIN * now:
            found[look] = walk.boundary(now, until - spent)
            walk.step(now, found[look])
            spent = until
    return found


@dataclass(frozen=True)
class Crossing:
    """Probabilities to cross first at each look, shape (looks,)."""

    upper: Floats
    lower: Floats

    @property
    def power(self) -> float:
        """Of crossing either boundary at any look."""
        return float(self.upper.sum() + self.lower.sum())


def crossing(information: ArrayLike, bounds: ArrayLike, *, drift: float = 0.0) -> Crossing:
    """How likely each boundary is to be crossed.

    Args:
        information: At each look, growing.
        bounds: Of |Z| at each look, such as `boundaries` gives.
        drift: Mean of Z at information 1 (θ); 0 gives the level.

    Returns:
        The probabilities.
    """
    at, limits = _information(information), np.asarray(bounds, dtype=float)
    walk, upper, lower = _Walk(drift), np.zeros(len(at)), np.zeros(len(at))
    for look, (now, limit) in enumerate(zip(at, limits, strict=True)):
        if now > walk.information:
            upper[look], lower[look] = walk.step(now, float(limit))
    return Crossing(upper, lower)


class _Walk:
    """Where Z is among those that have not crossed: nodes and the mass at each."""

    def __init__(self, drift: float = 0.0) -> None:
        self.drift = drift
        self.information = 0.0
        self.score: Floats = np.zeros(1)  # Z √I
        self.mass: Floats = np.ones(1)

    def tails(self, now: float, limit: float) -> tuple[float, float]:
        """Mass that is above +limit and below -limit at the next look."""
        width, middle = self._kernel(now)
        edge = limit * np.sqrt(now)
        return float(self.mass @ ndtr((middle - edge) / width)), float(self.mass @ ndtr((-edge - middle) / width))

    def boundary(self, now: float, spend: float) -> float:
        """The limit that leaves so much mass outside, at most UNREACHABLE."""
        if sum(self.tails(now, UNREACHABLE)) >= spend:
            return UNREACHABLE
        return float(brentq(lambda limit: sum(self.tails(now, limit)) - spend, 0.0, UNREACHABLE, xtol=1e-12))

    def step(self, now: float, limit: float) -> tuple[float, float]:
        """Go on to the next look; gives the mass that crossed above and below."""
        crossed = self.tails(now, limit)
        width, middle = self._kernel(now)
        # Where there is mass: within the limits, and within what the walk can have reached.
        edge, reach = limit * np.sqrt(now), UNREACHABLE * np.sqrt(now)
        low, high = max(-edge, self.drift * now - reach), min(edge, self.drift * now + reach)
        self.information = now
        if low >= high:
            self.score, self.mass = np.zeros(1), np.zeros(1)
            return crossed
        panels = min(max(4, int(np.ceil((high - low) / (PANEL * width)))), PANELS_MAX)
        half = (high - low) / (2 * panels)
        centres = low + half * (2 * np.arange(panels) + 1)
        self.score = (centres[:, None] + half * NODES).ravel()
        kernel = np.exp(-0.5 * ((self.score[:, None] - middle) / width) ** 2)
        self.mass = half * np.tile(WEIGHTS, panels) * (kernel @ self.mass) / (width * np.sqrt(2 * np.pi))
        return crossed

    def _kernel(self, now: float) -> tuple[float, Floats]:
        """Standard deviation of the score at the next look, and its mean from each node."""
        grown = now - self.information
        return float(np.sqrt(grown)), self.score + self.drift * grown


def _information(given: ArrayLike) -> Floats:
    at = np.atleast_1d(np.asarray(given, dtype=float))
    if not at.size or not np.all(np.isfinite(at)) or at[0] <= 0 or np.any(np.diff(at) < 0):
        raise UsageError(f"Information must be above 0 and must not fall from look to look: {at.tolist()}.")
    return at
