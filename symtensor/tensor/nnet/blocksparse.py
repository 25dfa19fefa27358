"""Products with chosen blocks of a weight tensor, as in ``theano.tensor.nnet.blocksparse``."""

from __future__ import annotations

from typing import Any

from symtensor.graph.variable import Apply, Variable
from symtensor.ops.convert import as_tensor_variable
from symtensor.ops.dimshuffle import dimshuffle
from symtensor.ops.elementwise import add, mul
from symtensor.ops.index import getitem
from symtensor.ops.index_set import inc_subtensor
from symtensor.ops.reduce import sum

__all__ = ["SparseBlockGemv", "SparseBlockOuter", "sparse_block_dot", "sparse_block_gemv", "sparse_block_outer"]


def _blocks(W: Any, rows: Any, columns: Any) -> Variable:
    """The blocks (batch, input window, output window, input size, output size) that two index matrices name."""
    rows, columns = as_tensor_variable(rows), as_tensor_variable(columns)
    return getitem(as_tensor_variable(W), (dimshuffle(rows, 0, 1, "x"), dimshuffle(columns, 0, "x", 1)))


class SparseBlockGemv:
    """``o[b, j] + sum over i of h[b, i] @ W[inputIdx[b, i], outputIdx[b, j]]`` (the name of Theano's op; ``inplace`` is
    without effect).

    Shapes: o (batch, output window, output size), W (input blocks, output blocks, input size, output size), h (batch,
    input window, input size), integers inputIdx (batch, input window) and outputIdx (batch, output window). IndexError
    at run time where there is no such block.
    """

    def __init__(self, inplace: bool = False) -> None:
        del inplace

    def __call__(self, o: Any, W: Any, h: Any, inputIdx: Any, outputIdx: Any) -> Variable:
        products = mul(dimshuffle(as_tensor_variable(h), 0, 1, "x", 2, "x"), _blocks(W, inputIdx, outputIdx))
        result: Variable = add(o, sum(products, axis=(1, 3)))
        return result

    def make_node(self, o: Any, W: Any, h: Any, inputIdx: Any, outputIdx: Any) -> Apply | None:
        """The node of the result."""
        return self(o, W, h, inputIdx, outputIdx).owner


class SparseBlockOuter:
    """``o`` with ``alpha * outer(x[b, i], y[b, j])`` added to block ``o[xIdx[b, i], yIdx[b, j]]`` for all b, i and j
    (the name of Theano's op): the gradient of `SparseBlockGemv`. ``alpha`` is a scalar, by default 1."""

    def __init__(self, inplace: bool = False) -> None:
        del inplace

    def __call__(self, o: Any, x: Any, y: Any, xIdx: Any, yIdx: Any, alpha: Any = None) -> Variable:
        x, y = as_tensor_variable(x), as_tensor_variable(y)
        outer = mul(dimshuffle(x, 0, 1, "x", 2, "x"), dimshuffle(y, 0, "x", 1, "x", 2))
        return inc_subtensor(_blocks(o, xIdx, yIdx), outer if alpha is None else mul(alpha, outer))

    def make_node(self, o: Any, x: Any, y: Any, xIdx: Any, yIdx: Any, alpha: Any = None) -> Apply | None:
        """The node of the result."""
        return self(o, x, y, xIdx, yIdx, alpha).owner


sparse_block_gemv = SparseBlockGemv()
sparse_block_outer = SparseBlockOuter()


def sparse_block_dot(W: Any, h: Any, inputIdx: Any, b: Any, outputIdx: Any) -> Variable:
    """The outputs of chosen blocks of units that see chosen blocks of inputs (Theano's name).

    Parameters
    ----------
    W : (input blocks, output blocks, input size, output size).
    h : (batch, input window, input size), or without batch: the inputs of the blocks ``inputIdx``.
    inputIdx : integers (batch, input window).
    b : (output blocks, output size), the biases.
    outputIdx : integers (batch, output window).

    Returns
    -------
    (batch, output window, output size): for output block j the sum over i of ``h[i] @ W[inputIdx[i], outputIdx[j]]``,
    and its bias. TypeError for ranks that do not fit, IndexError at run time where there is no such block.
    """
    h, rows, columns, bias = (as_tensor_variable(value) for value in (h, inputIdx, outputIdx, b))
    if rows.type.ndim != h.type.ndim - 1 or columns.type.ndim != rows.type.ndim:
        raise TypeError(f"sparse_block_dot: inputIdx and outputIdx have one dimension less than h ({h.type.ndim}), got "
                        f"{rows.type.ndim} and {columns.type.ndim}")
    if h.type.ndim == 2:
        h, rows, columns = dimshuffle(h, "x", 0, 1), dimshuffle(rows, "x", 0), dimshuffle(columns, "x", 0)
    return sparse_block_gemv(getitem(bias, columns), W, h, rows, columns)
