"""The relatives of `scan`: `map`, `reduce`, `foldl`, `foldr`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symtensor.ops.index import getitem
from symtensor.ops.scan import OrderedUpdates, scan

__all__ = ["foldl", "foldr", "map", "reduce"]


def map(fn: Callable[..., Any], sequences: Any, non_sequences: Any = None, truncate_gradient: int = -1,
        go_backwards: bool = False, mode: Any = None, name: str | None = None,
        return_list: bool = False) -> tuple[Any, OrderedUpdates]:
    """``fn`` of each row of the sequences (Theano's name).

    >>> from symtensor import map as each, tensor as T
    >>> x = T.dvector("x")
    >>> each(lambda row: row ** 2, x)[0].eval({x: [1.0, 3.0]})
    array([1., 9.])
    """
    return scan(fn, sequences, None, non_sequences, None, truncate_gradient, go_backwards, mode, name,
                return_list=return_list)


def reduce(fn: Callable[..., Any], sequences: Any, outputs_info: Any, non_sequences: Any = None,
           go_backwards: bool = False, mode: Any = None, name: str | None = None,
           return_list: bool = False) -> tuple[Any, OrderedUpdates]:
    """The last value of a loop over the sequences (Theano's name).

    >>> from symtensor import reduce, tensor as T
    >>> x = T.dvector("x")
    >>> reduce(lambda row, total: total + row, x, T.constant(0.0))[0].eval({x: [1.0, 3.0]})
    array(4.)
    """
    found, updates = scan(fn, sequences, outputs_info, non_sequences, None, -1, go_backwards, mode, name,
                          return_list=True)
    last = [getitem(value, -1) for value in found]
    return last if return_list or len(last) != 1 else last[0], updates


def foldl(fn: Callable[..., Any], sequences: Any, outputs_info: Any, non_sequences: Any = None, mode: Any = None,
          name: str | None = None, return_list: bool = False) -> tuple[Any, OrderedUpdates]:
    """`reduce` from the first row to the last (Theano's name)."""
    return reduce(fn, sequences, outputs_info, non_sequences, False, mode, name, return_list)


def foldr(fn: Callable[..., Any], sequences: Any, outputs_info: Any, non_sequences: Any = None, mode: Any = None,
          name: str | None = None, return_list: bool = False) -> tuple[Any, OrderedUpdates]:
    """`reduce` from the last row to the first (Theano's name)."""
    return reduce(fn, sequences, outputs_info, non_sequences, True, mode, name, return_list)
