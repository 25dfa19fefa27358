"""Neighbourhoods of images as rows of a matrix: `images2neibs`, and back: `neibs2images` (Theano's names)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symtensor.graph.op import Kernel, Op
from symtensor.graph.op import Shape as Dims
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.ops import dim_math as d
from symtensor.ops.convert import as_index, as_tensor_variable, int64_constant, static_value
from symtensor.ops.create import arange, zeros
from symtensor.ops.index import getitem
from symtensor.ops.index_set import inc_subtensor
from symtensor.ops.kernel_text import unravel_c
from symtensor.ops.reshape import flatten, reshape
from symtensor.ops.shape import shape_dims, shape_of

__all__ = ["Images2Neibs", "images2neibs", "neibs2images"]

MODES = ("valid", "ignore_borders", "wrap_centered", "half", "full")


class Images2Neibs(Op):
    """The neighbourhoods of images, one per row (Theano's name); see `images2neibs`.

    Inputs: the images, then rows and columns of a neighbourhood, then those of the step.
    """

    __props__ = ("mode",)

    def __init__(self, mode: str = "valid") -> None:
        if mode not in MODES:
            raise ValueError(f"images2neibs: mode {mode!r} is not one of {', '.join(map(repr, MODES))}")
        self.mode = mode

    def make_node(self, ten4: Any, *sizes: Any) -> Apply:
        x = as_tensor_variable(ten4)
        if x.type.ndim != 4:
            raise TypeError(f"images2neibs: images are (batch, channels, rows, columns), got {x} of type {x.type}")
        if len(sizes) != 4:  # Theano's form: the shape, and perhaps the step
            sizes = tuple(dim for pair in (sizes * 2)[:2] for dim in shape_dims(pair, "images2neibs", 2))
        inputs = [x, *(as_index(size) for size in sizes)]
        for good, code, values in self.checks_of(inputs, shape_of(x)):
            if isinstance(good, Constant) and not good.data:
                told = [v if static_value(v) is None else static_value(v) for v in values]
                raise self.failure(None, code, told)
        static = [static_value(dim) for dim in self._dims(inputs, shape_of(x))]
        return Apply(self, inputs, [x.type.clone(shape=static).make_variable()])

    def axis(self, n: Any, size: Any, step: Any) -> tuple[Variable, Variable, Variable]:
        """Along an axis of ``n`` pixels: the number of neighbourhoods, how far the first one starts in front of pixel
        0, and whether they fit."""
        half = d.int_div(size, 2)
        good = d.all_of(d.below(0, size), d.below(0, step))
        if self.mode == "wrap_centered":
            odd = d.equal(d.sub(size, d.mul(2, half)), 1)
            return d.int_div(d.add(n, d.sub(step, 1)), step), half, d.all_of(good, odd, d.at_most(size, n))
        before = half if self.mode == "half" else d.sub(size, 1) if self.mode == "full" else int64_constant(0)
        room = d.sub(d.add(n, d.mul(2, before)), size)
        if self.mode != "ignore_borders":
            good = d.all_of(good, d.at_most(0, room), d.equal(d.mul(d.int_div(room, step), step), room))
        return d.int_div(d.maximum(d.add(room, step), 0), step), before, good

    def _dims(self, inputs: Sequence[Variable], image: Dims) -> Dims:
        counts = [self.axis(image[2 + k], inputs[1 + k], inputs[3 + k])[0] for k in (0, 1)]
        return d.product([*image[:2], *counts]), d.mul(inputs[1], inputs[2])

    def checks_of(self, inputs: Sequence[Variable], image: Dims) -> list[tuple[Variable, str, Dims]]:
        """That whole neighbourhoods cover the images."""
        return [(self.axis(image[2 + k], inputs[1 + k], inputs[3 + k])[2], "ST_VALUE",
                 (int64_constant(2 + k), image[2 + k], inputs[1 + k], inputs[3 + k])) for k in (0, 1)]

    def checks(self, node: Apply, shapes: Sequence[Dims]) -> list[tuple[Variable, str, Dims]]:
        """What must hold at run time."""
        return self.checks_of(node.inputs, shapes[0])

    def failure(self, node: Apply | None, code: str, values: Sequence[Any]) -> Exception:
        """The words for sizes that do not fit."""
        axis, n, size, step = values[:4]
        rule = {"wrap_centered": "the size must be odd, and no larger than the image",
                "ignore_borders": "sizes and steps must be positive"}.get(
                    self.mode, "neighbourhoods must cover the (padded) image exactly, or use mode 'ignore_borders'")
        return ValueError(f"images2neibs, mode {self.mode!r}: neighbourhoods of size {size} with step {step} do not "
                          f"fit axis {axis} of {n} pixel(s): {rule}")

    def perform(self, node: Apply, inputs: list[Any], outputs: list[list[Any]]) -> None:
        x, places = inputs[0], []
        for k, n in enumerate(x.shape[2:]):
            size, step = int(inputs[1 + k]), int(inputs[3 + k])
            count, before, good = (int(v.data) for v in self.axis(n, size, step))  # type: ignore[attr-defined]
            if not good:
                raise self.failure(node, "ST_VALUE", (2 + k, n, size, step))
            place = np.arange(count)[:, None] * step + np.arange(size) - before
            places.append(place % n if self.mode == "wrap_centered" else np.where((place < 0) | (place > n), n, place))
        rows, columns = places
        padded = np.pad(x, [(0, 0), (0, 0), (0, 1), (0, 1)])
        made = padded[:, :, rows[:, None, :, None], columns[None, :, None, :]]
        outputs[0][0] = made.reshape(int(np.prod(made.shape[:4])), int(np.prod(made.shape[4:])))

    def infer_shape(self, node: Apply, shapes: Sequence[Dims]) -> list[Dims]:  # type: ignore[override]
        return [self._dims(node.inputs, shapes[0])]

    def kernel(self, node: Apply) -> Kernel:
        wrap = self.mode == "wrap_centered"
        before = {"half": "{0} / 2", "wrap_centered": "{0} / 2", "full": "{0} - 1"}.get(self.mode, "0")
        count = "({n} + {s} - 1) / {s}" if wrap else "({n} + 2 * ({b}) - {0} + {s}) / {s}"
        lines = ["const int64_t r = (int64_t)IN1(), c = (int64_t)IN2(), sr = (int64_t)IN3(), sc = (int64_t)IN4();",
                 "const int64_t h = IN0_DIM(2), w = IN0_DIM(3);"]
        lines += [f"const int64_t g{size} = {count.format(size, n=n, s=f's{size}', b=before.format(size))};"
                  for size, n in (("r", "h"), ("c", "w"))]
        lines += [unravel_c(["n", "ch", "y", "x"], ["IN0_DIM(0)", "IN0_DIM(1)", "gr", "gc"]),
                  "OUT0_T *out = OUT0_PTR + i * r * c;"]
        for a, start, offset, size, n in (("a", "y", "p", "r", "h"), ("b", "x", "q", "c", "w")):
            lines += [f"for (int64_t {offset} = 0; {offset} < {size}; {offset}++) {{",
                      f"int64_t {a} = {start} * s{size} + {offset} - ({before.format(size)});"]
            if wrap:
                lines.append(f"{a} = {a} < 0 ? {a} + {n} : {a} >= {n} ? {a} - {n} : {a};")
        lines += ["if (a >= 0 && a < h && b >= 0 && b < w) out[p * c + q] = IN0(n, ch, a, b);",
                  "else out[p * c + q] = 0;", "}}"]
        return Kernel("\n".join(lines), shape_of(node.outputs[0])[0])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[k == 0] for k in range(5)]

    def grad(self, inputs: Sequence[Variable], output_grads: Sequence[Variable]) -> Sequence[Any]:
        return [_summed(output_grads[0], inputs[1:], shape_of(inputs[0]), self.mode), *[None] * 4]


def _summed(neibs: Variable, sizes: Sequence[Variable], image: Dims, mode: str) -> Variable:
    """The images that neighbourhoods add up to: the transpose of `Images2Neibs`."""
    n, channels, h, w = image
    planes, pixels = d.mul(n, channels), d.mul(h, w)
    numbers = reshape(arange(1, d.add(pixels, 1)), (1, 1, h, w))  # of the pixels; 0 stands for the padding
    places = flatten(Images2Neibs(mode)(numbers, *sizes))
    every = (slice(None), places)
    flat = reshape(neibs, (planes, shape_of(places)[0]))
    total = inc_subtensor(getitem(zeros((planes, d.add(pixels, 1)), neibs.type.dtype), every), flat)
    return reshape(getitem(total, (slice(None), slice(1, None))), image)


def images2neibs(ten4: Any, neib_shape: Any, neib_step: Any = None, mode: str = "valid") -> Variable:
    """The neighbourhoods of images as rows of a matrix (Theano's name).

    Parameters
    ----------
    ten4 : (batch, channels, rows, columns), of any dtype.
    neib_shape : (rows, columns) of a neighbourhood: ints or integer scalars, or an integer vector.
    neib_step : the distance between neighbourhoods; by default ``neib_shape``, so that they do not overlap.
    mode : 'valid': they must tile the image exactly. 'ignore_borders': what is left over is dropped. 'half': the
        image is padded with zeros by half a neighbourhood on each side, 'full': by one less than a neighbourhood;
        then as 'valid'. 'wrap_centered': one around every pixel (of odd size), continued on the other side.

    Returns
    -------
    A matrix with a row for each (image, channel, neighbourhood), the pixels in row-major order.

    ValueError where sizes and steps do not fit.

    >>> import numpy as np
    >>> images2neibs(np.arange(8).reshape(1, 1, 2, 4), (2, 2)).eval()
    array([[0, 1, 4, 5],
           [2, 3, 6, 7]])
    """
    result: Variable = Images2Neibs(mode)(ten4, neib_shape, neib_shape if neib_step is None else neib_step)
    return result


def neibs2images(neibs: Any, neib_shape: Any, original_shape: Any, mode: str = "valid") -> Variable:
    """The images of ``original_shape`` whose neighbourhoods, not overlapping, are the rows of ``neibs``: the inverse of
    `images2neibs` without a step (Theano's name). With mode 'ignore_borders' the borders are 0.

    >>> import numpy as np
    >>> x = np.arange(16).reshape(1, 1, 4, 4)
    >>> (neibs2images(images2neibs(x, (2, 2)), (2, 2), (1, 1, 4, 4)).eval() == x).all()
    np.True_
    """
    if mode not in ("valid", "ignore_borders"):
        raise NotImplementedError(f"neibs2images: mode is 'valid' or 'ignore_borders', got {mode!r}: neighbourhoods of "
                                  "other modes overlap and have no inverse")
    size = shape_dims(neib_shape, "neibs2images", 2)
    return _summed(as_tensor_variable(neibs), [*size, *size], shape_dims(original_shape, "neibs2images", 4), mode)
