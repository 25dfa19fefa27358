"""What programs import from Theano's page of the same name."""

from __future__ import annotations

from collections.abc import Sequence

from symtensor.graph.fgraph import Interner
from symtensor.graph.variable import Variable
from symtensor.ops.scan import until

__all__ = ["equal_computations", "until"]


def equal_computations(xs: Sequence[Variable], ys: Sequence[Variable], in_xs: Sequence[Variable] | None = None,
                       in_ys: Sequence[Variable] | None = None) -> bool:
    """Whether ``ys`` are computed in the same way as ``xs``, with ``in_ys`` in the place of ``in_xs`` (Theano's name).

    >>> from symtensor import tensor as T
    >>> x, y = T.dvectors("x", "y")
    >>> equal_computations([T.exp(x) + 1], [T.exp(y) + 1]), equal_computations([x * 2], [y * 2], [x], [y])
    (False, True)
    """
    if len(xs) != len(ys) or len(in_xs or ()) != len(in_ys or ()):
        raise ValueError(f"equal_computations: {len(xs)} variables and {len(ys)} cannot be equal one by one, nor can "
                         f"{len(in_xs or ())} inputs stand for {len(in_ys or ())}")
    places = dict(zip(in_ys or (), in_xs or (), strict=True))
    interner = Interner()
    return all(a is b for a, b in zip(interner.intern(xs), interner.intern(ys, places), strict=True))
