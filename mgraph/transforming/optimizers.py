"""How weights move: rules that take a step against the gradient, and SciPy's methods, which choose steps themselves.

SciPy comes with the extra ``fit``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from mgraph.errors import ReplayError, shown
from mgraph.replaying.run import real

Rate = float | Callable[[int], float]
Update = Callable[[list[float], list[float], float], list[float]]
Evaluate = Callable[[list[float]], tuple[float, list[float]]]
Residuals = Callable[[list[float]], tuple[Any, Any]]
RATE = 0.05
"""η unless another is given."""


class Track:
    """The losses of a fit: one before each step, and the one that is left. What is not finite ends it."""

    def __init__(self, names: Sequence[str], steps: int, report: Callable[[int, float], None] | None) -> None:
        self.names = names
        self.steps = steps
        self.losses: list[float] = []
        self._report = report

    @property
    def full(self) -> bool:
        """Whether all steps are taken."""
        return len(self.losses) > self.steps

    def add(self, loss: float) -> None:
        """Note the loss before a step, or after the last."""
        if self._report is not None:
            self._report(len(self.losses), loss)
        self.losses.append(loss)

    def refuse_nonfinite(self, loss: float, slopes: Sequence[float], advice: str = "") -> None:
        """Raise ReplayError, with the step, if the loss or a derivative by one of the names is not finite."""
        bad = next((name for name, g in zip(self.names, slopes, strict=True) if not math.isfinite(g)), None)
        if not math.isfinite(loss) or bad is not None:
            what = f"the loss is {loss}" if bad is None else f"the gradient of {shown(bad)} is not finite"
            raise ReplayError(f"at step {max(0, len(self.losses) - 1)} {what}, so the fit ends here.{advice}")


class Ended(NamedTuple):
    """Where a method got to."""

    weights: list[float]
    """The numbers found, in the order of the names."""
    how: dict[str, Any]
    """What the record says of it, beside the method and the number of steps."""


# Rules -----------------------------------------------------------------------------------------------------


def descent() -> Update:
    """w ← w - η·g."""
    return lambda weights, slopes, rate: [w - rate * g for w, g in zip(weights, slopes, strict=True)]


def momentum(keep: float = 0.9) -> Update:
    """v ← 0.9·v + g, w ← w - η·v (Polyak, USSR Comp. Math. 4 (1964) 1-17; Sutskever et al., ICML 2013)."""
    speeds: list[float] = []

    def update(weights: list[float], slopes: list[float], rate: float) -> list[float]:
        speeds[:] = [keep * v + g for v, g in zip(speeds or [0.0] * len(slopes), slopes, strict=True)]
        return [w - rate * v for w, v in zip(weights, speeds, strict=True)]

    return update


def adam(first: float = 0.9, second: float = 0.999, floor: float = 1e-8) -> Update:
    """Adam, with β₁ = 0.9, β₂ = 0.999, ε = 1e-8 (Kingma and Ba, ICLR 2015, algorithm 1)."""
    moments: list[tuple[float, float]] = []
    powers = [1.0, 1.0]

    def update(weights: list[float], slopes: list[float], rate: float) -> list[float]:
        powers[:] = [powers[0] * first, powers[1] * second]
        old = moments or [(0.0, 0.0)] * len(slopes)
        moments[:] = [
            (first * m + (1.0 - first) * g, second * v + (1.0 - second) * (g * g))
            for (m, v), g in zip(old, slopes, strict=True)
        ]
        return [
            w - rate * (m / (1.0 - powers[0])) / (math.sqrt(v / (1.0 - powers[1])) + floor)
            for w, (m, v) in zip(weights, moments, strict=True)
        ]

    return update


RULES: dict[str, Callable[[], Update]] = {"sgd": descent, "momentum": momentum, "adam": adam}


def by_rule(name: str, evaluate: Evaluate, weights: list[float], track: Track, rate: Rate) -> Ended:
    """Take every step by one of the rules."""
    update = RULES[name]()
    rates: list[float] = []
    while True:
        loss, slopes = evaluate(weights)
        track.add(loss)
        if track.full:
            break
        track.refuse_nonfinite(loss, slopes, " A smaller rate may help")
        rates.append(_rate(rate, len(rates)))
        weights = update(weights, slopes, rates[-1])
    return Ended(weights, {"rate": rates[0] if rates[0] == rates[-1] else [rates[0], rates[-1]]} if rates else {})


def _rate(rate: Rate, step: int) -> float:
    eta = real(rate(step) if callable(rate) else rate, "rate")
    if not math.isfinite(eta):
        raise ReplayError(f"the rate at step {step} is {eta}; it must be finite")
    return eta


# SciPy -----------------------------------------------------------------------------------------------------


def lbfgs(evaluate: Evaluate, weights: list[float], track: Track) -> Ended:
    """L-BFGS (Byrd, Lu, Nocedal and Zhu, SIAM J. Sci. Comput. 16 (1995) 1190-1208), as SciPy has it.

    It ends sooner than after all steps where the loss or the gradient has stopped changing.
    """
    optimize, version = _scipy("lbfgs")

    def objective(x: Any) -> tuple[float, list[float]]:
        loss, slopes = evaluate(x.tolist())
        track.refuse_nonfinite(loss, slopes)
        return loss, slopes

    loss, slopes = evaluate(weights)
    track.add(loss)
    if track.full:
        return Ended(weights, version)
    track.refuse_nonfinite(loss, slopes)
    found = optimize.minimize(
        objective,
        weights,
        jac=True,
        method="L-BFGS-B",
        callback=lambda intermediate_result: track.add(float(intermediate_result.fun)),
        options={"maxiter": track.steps, "maxfun": _NO_LIMIT},
    )
    return Ended(found.x.tolist(), {**version, "ended": str(found.message)})


class _AllTaken(Exception):
    """All steps are."""


def least_squares(evaluate: Residuals, weights: list[float], track: Track, rows: int) -> Ended:
    """A trust region around Gauss and Newton's step (Branch, Coleman and Li, SIAM J. Sci. Comput. 21 (1999) 1-23), as
    SciPy has it, on residuals (m,) and their Jacobian (m, n).

    The loss is the sum of the residuals' squares, over ``rows``. It ends sooner than after all steps where the loss or
    the weights have stopped changing.
    """
    optimize, version = _scipy("least-squares")
    at, residuals, jacobian = list(weights), *evaluate(weights)

    def move(x: Any) -> None:
        nonlocal at, residuals, jacobian
        if at != x.tolist():
            at = x.tolist()
            residuals, jacobian = evaluate(at)

    def look(x: Any) -> Any:
        move(x)
        return residuals

    def accept(x: Any) -> Any:
        nonlocal weights
        move(x)
        if not track.losses or at != weights:
            weights = at
            track.add(_squares(residuals) / rows)
        if track.full:
            raise _AllTaken
        track.refuse_nonfinite(track.losses[-1], abs(jacobian).max(axis=0).tolist())
        return jacobian

    track.refuse_nonfinite(_squares(residuals), abs(jacobian).max(axis=0).tolist())
    try:
        found = optimize.least_squares(look, weights, jac=accept, max_nfev=_NO_LIMIT)
    except _AllTaken:
        return Ended(weights, version)
    return Ended(weights, {**version, "ended": str(found.message)})


_NO_LIMIT = 10**9


def _squares(residuals: Any) -> float:
    with suppress(OverflowError):
        return math.fsum([r * r for r in residuals.tolist()])
    return math.inf


def _scipy(method: str) -> tuple[Any, dict[str, str]]:
    try:
        import scipy
        from scipy import optimize
    except ImportError:
        raise ReplayError(f"{method} needs SciPy (the extra fit): pip install scipy") from None
    return optimize, {"scipy": scipy.__version__}
