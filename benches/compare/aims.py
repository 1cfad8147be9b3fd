"""What is wanted of a figure, and whether it is met."""

from collections.abc import Callable
from typing import NamedTuple


class Aim(NamedTuple):
    """`met` is asked with the ratio (Glance's figure over Vitrine's), Vitrine's figure, the floors, and Vitrine's
    figures of other rows; `None` says that what it depends on was not measured."""

    text: str
    met: Callable


def at_least(times):
    """So many times as good as Glance."""
    return Aim(f"≥ {times} ×", lambda ratio, figure, floors, rows: ratio >= times)


def at_most(figure):
    return Aim(f"≤ {figure}", lambda ratio, found, floors, rows: found <= figure)


def beside_floor(factor, said, *names):
    """At most so many times the sum of floors, which are together called something."""
    def met(ratio, figure, floors, rows):
        return figure <= factor * sum(floors[name] for name in names) if set(names) <= floors.keys() else None
    return Aim(f"≤ {factor} × {said}", met)


def beside_row(factor, name):
    """At most so many times what another row says of Vitrine."""
    return Aim(f"≤ {factor} × {name}", lambda ratio, figure, floors, rows: (
        figure <= factor * rows[name] if name in rows else None))
