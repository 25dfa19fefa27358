"""Cases of neural networks: softmax and losses, batch normalization, neighbourhoods, block products, CTC; of ops that
hand on their input, of the tools of differentiation, and of functions and files."""

from __future__ import annotations

from itertools import product
from tempfile import TemporaryDirectory

import numpy as np
from cases import case
from scipy import special

from symtensor import tensor as T
from symtensor.autodiff import stop
from symtensor.ops import crossentropy as ce
from symtensor.ops.host import as_op, load
from symtensor.ops.identity import Assert, CheckAndRaise, DeepCopyOp, OutputGuard, Print, ViewOp
from symtensor.ops.neighbours import MODES, Images2Neibs
from symtensor.tensor import nnet
from symtensor.tensor.nnet.blocksparse import SparseBlockGemv, SparseBlockOuter

ROUGH = {"e": 2e-2, "f": 2e-5, "d": 1e-11}

# -- softmax and losses ----------------------------------------------------------------------------------------------

for axis in (-1, 0, 1):
    case(f"nnet/softmax{axis}", lambda x, axis=axis: T.nnet.softmax(x, axis=axis),
         lambda x, axis=axis: special.softmax(x.astype("d"), axis=axis) if x.size else np.zeros(x.shape),
         lambda n, d: [d(n, 3, 5)], dtypes="efd")
    case(f"nnet/logsoftmax{axis}", lambda x, axis=axis: T.nnet.logsoftmax(x, axis=axis),
         lambda x, axis=axis: special.log_softmax(x.astype("d"), axis=axis) if x.size else np.zeros(x.shape),
         lambda n, d: [d(n, 3, 5)], dtypes="efd")
case("nnet/softmax with bias", T.nnet.softmax_with_bias,
     lambda x, b: special.softmax(x + b, axis=1) if x.size else np.zeros(x.shape), lambda n, d: [d(n, 3), d(3)])
case("nnet/logsumexp", lambda x: T.logsumexp(x, axis=1), lambda x: special.logsumexp(x, axis=1), lambda n, d: [d(n, 3)])


def losses(x, y):
    p = special.softmax(x, axis=1) if x.size else x
    return [-np.log(p[np.arange(len(y)), y]), p]


case("nnet/crossentropy of softmax", nnet.crossentropy_softmax_1hot, losses, lambda n, d: [d(n, 3), d.index(3, n)])
case("nnet/crossentropy of softmax/gradient", lambda x, y, g: ce.CrossentropySoftmax1HotDx()(g, x, y),
     lambda x, y, g: g[:, None] * (x - np.eye(3)[y]), lambda n, d: [d(n, 3), d.index(3, n), d(n)])
case("nnet/crossentropy", nnet.crossentropy_categorical_1hot, lambda x, y: -np.log(x[np.arange(len(y)), y]),
     lambda n, d: [d.positive(n, 3), d.index(3, n)])
case("nnet/crossentropy/gradient", lambda x, y, g: ce.CrossentropyCategorical1HotGrad()(g, x, y),
     lambda x, y, g: -np.eye(3)[y] * g[:, None] / x, lambda n, d: [d.positive(n, 3), d.index(3, n), d(n)])
case("nnet/categorical crossentropy", nnet.categorical_crossentropy, lambda p, q: -(q * np.log(p)).sum(-1),
     lambda n, d: [d.positive(n, 3), d.positive(n, 3)], rtol=ROUGH)
case("nnet/binary crossentropy", nnet.binary_crossentropy,
     lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)), lambda n, d: [d.positive(n, 3) / 2.1, d(n, 3)],
     rtol=ROUGH)
case("nnet/prepend", lambda x: nnet.prepend_1_to_each_row(x), lambda x: np.insert(x, 0, 1, axis=1),
     lambda n, d: [d(n, 3)], dtypes="ifd")


def h_softmax(x, W1, b1, W2, b2):
    first, second = x @ W1 + b1, np.einsum("bf,cfo->bco", x, W2) + b2
    if not x.size:
        return np.zeros((0, 5))
    every = special.softmax(first, axis=1)[:, :, None] * special.softmax(second, axis=2)
    return every.reshape(len(x), -1)[:, :5]


def hierarchy(n, d):
    return [d(n, 4), d(4, 3), d(3), d(3, 4, 2), d(3, 2)]


case("nnet/h_softmax", lambda x, *layers: nnet.h_softmax(x, x.shape[0], 5, 3, 2, *layers), h_softmax, hierarchy,
     rtol=ROUGH)
case("nnet/h_softmax/target", lambda x, *layers: nnet.h_softmax(x, x.shape[0], 5, 3, 2, *layers[:-1], layers[-1]),
     lambda x, *layers: h_softmax(x, *layers[:-1])[np.arange(len(x)), layers[-1]],
     lambda n, d: [*hierarchy(n, d), d.index(5, n)], rtol=ROUGH)

# -- batch normalization ---------------------------------------------------------------------------------------------


def normalized(x, gamma, beta, axes, mean=None, var=None, epsilon=1e-4):
    def wide(p):
        return p if p.ndim == x.ndim else np.expand_dims(p, axes)

    center = x.mean(axes, keepdims=True) if mean is None else wide(mean)
    spread = x.var(axes, keepdims=True) if var is None else wide(var)
    return (x - center) / np.sqrt(spread + epsilon) * wide(gamma) + wide(beta)


def trained(axes):
    def reference(x, gamma, beta, mean, var):
        count = np.prod([x.shape[k] for k in axes])
        with np.errstate(all="ignore"):
            center, spread = x.mean(axes), x.var(axes)
            return [normalized(x, gamma, beta, axes), center, 1 / np.sqrt(spread + 1e-4), 0.9 * mean + 0.1 * center,
                    0.9 * var + 0.1 * spread * (count / (count - 1))]

    return reference


def train(axes):
    return lambda x, gamma, beta, mean, var: nnet.batch_normalization_train(
        x, gamma, beta, axes, running_mean=mean, running_var=var)


case("nnet/batch norm/per activation", train("per-activation"), trained((0,)),
     lambda n, d: [d(n, 3), d(3), d(3), d(3), d.positive(3)], sizes=(2, 5), rtol=ROUGH)
case("nnet/batch norm/spatial", train("spatial"), trained((0, 2, 3)),
     lambda n, d: [d(n, 3, 2, 4), d(3), d(3), d(3), d.positive(3)], sizes=(1, 4), rtol=ROUGH)
case("nnet/batch norm/axes", lambda x, gamma, beta: nnet.batch_normalization_train(x, gamma, beta, (0, 2))[:2],
     lambda x, gamma, beta: [normalized(x, gamma, beta, (0, 2)), x.mean((0, 2), keepdims=True)],
     lambda n, d: [d(n, 3, 2), d(1, 3, 1), d(1, 3, 1)], sizes=(1, 4), rtol=ROUGH)
case("nnet/batch norm/test", lambda *inputs: nnet.batch_normalization_test(*inputs, axes="spatial"),
     lambda x, gamma, beta, mean, var: normalized(x, gamma, beta, (0, 2, 3), mean, var),
     lambda n, d: [d(n, 3, 2, 2), d(3), d(3), d(3), d.positive(3)], rtol=ROUGH)
case("nnet/batch norm/given", nnet.batch_normalization, lambda x, g, b, m, s: (x - m) * g / s + b,
     lambda n, d: [d(n, 3), d(3), d(3), d(3), d.positive(3)], rtol=ROUGH)

# -- neighbourhoods --------------------------------------------------------------------------------------------------


def neighbourhoods(x, size, step, mode):
    (r, c), (sr, sc) = size, step
    before = {"half": (r // 2, c // 2), "full": (r - 1, c - 1), "wrap_centered": (r // 2, c // 2)}.get(mode, (0, 0))
    padded = np.pad(x, [(0, 0), (0, 0), *((b, b) for b in before)],
                    mode="wrap" if mode == "wrap_centered" else "constant")
    rows = []
    ends = [(x.shape[2] if mode == "wrap_centered" else padded.shape[2] - r + 1),
            (x.shape[3] if mode == "wrap_centered" else padded.shape[3] - c + 1)]
    steps = (range(x.shape[0]), range(x.shape[1]), range(0, ends[0], sr), range(0, ends[1], sc))
    for image, channel, y, z in product(*steps):
        rows.append(padded[image, channel, y:y + r, z:z + c].ravel())
    return np.array(rows, x.dtype).reshape(-1, r * c)


SIZES = {"valid": ((2, 3), (2, 1)), "ignore_borders": ((3, 2), (2, 3)), "wrap_centered": ((3, 5), (2, 3)),
         "half": ((3, 2), (1, 2)), "full": ((2, 3), (1, 2))}
for mode in MODES:
    size, step = SIZES[mode]
    case(f"nnet/images2neibs/{mode}", lambda x, size=size, step=step, mode=mode: nnet.images2neibs(x, size, step, mode),
         lambda x, size=size, step=step, mode=mode: neighbourhoods(x, size, step, mode),
         lambda n, d, width=4 if mode == "half" else 5: [d(n, 2, 4, width)], dtypes="blefdD")


case("nnet/neibs2images", lambda x: nnet.neibs2images(nnet.images2neibs(x, (2, 2)), (2, 2), x.shape),
     lambda x: x, lambda n, d: [d(n, 2, 4, 6)], dtypes="blefdD")
case("nnet/neibs2images/borders", lambda x: nnet.neibs2images(
    nnet.images2neibs(x, (2, 3), mode="ignore_borders"), (2, 3), x.shape, "ignore_borders"),
     lambda x: np.pad(x[:, :, :4, :3], [(0, 0), (0, 0), (0, 1), (0, 2)]), lambda n, d: [d(n, 2, 5, 5)])
case("nnet/Images2Neibs", lambda x: Images2Neibs()(x, T.constant([2, 2]), [1, 1]),
     lambda x: neighbourhoods(x, (2, 2), (1, 1), "valid"), lambda n, d: [d(n, 1, 3, 3)])

# -- blocks ----------------------------------------------------------------------------------------------------------


def block_dot(W, h, rows, b, columns):
    out = b[columns].astype("d")
    for e, i, j in product(range(len(h)), range(rows.shape[1]), range(columns.shape[1])):
        out[e, j] += h[e, i].astype("d") @ W[rows[e, i], columns[e, j]]
    return out


def block_outer(o, x, y, rows, columns, alpha):
    out = o.astype("d")
    for e, i, j in product(range(len(x)), range(rows.shape[1]), range(columns.shape[1])):
        out[rows[e, i], columns[e, j]] += alpha * np.outer(x[e, i], y[e, j])
    return out


case("nnet/sparse_block_dot", nnet.sparse_block_dot, block_dot,
     lambda n, d: [d(3, 4, 5, 2), d(n, 2, 5), d.index(3, n, 2), d(4, 2), d.index(4, n, 3)], dtypes="efd", rtol=ROUGH)
case("nnet/sparse_block_dot/row", nnet.sparse_block_dot,
     lambda W, h, i, b, j: block_dot(W, h[None], i[None], b, j[None]),
     lambda n, d: [d(3, 4, 5, 70), d(2, 5), d.index(3, 2), d(4, 70), d.index(4, 3)], sizes=(1,), rtol=ROUGH)
case("nnet/SparseBlockGemv", lambda o, W, h, i, j: SparseBlockGemv()(o, W, h, i, j),
     lambda o, W, h, i, j: o + block_dot(W, h, i, np.zeros((4, 2)), j),
     lambda n, d: [d(n, 3, 2), d(3, 4, 5, 2), d(n, 2, 5), d.index(3, n, 2), d.index(4, n, 3)], rtol=ROUGH)
case("nnet/SparseBlockOuter", lambda *inputs: SparseBlockOuter()(*inputs[:-1], inputs[-1][0]), block_outer,
     lambda n, d: [d(3, 4, 5, 2), d(n, 2, 5), d(n, 3, 2), d.index(3, n, 2), d.index(4, n, 3), d(1)], dtypes="efd",
     rtol=ROUGH)

# -- CTC -------------------------------------------------------------------------------------------------------------


def ctc(x, labels, lengths):
    """The sum over all paths."""
    costs = []
    for b, length in enumerate(lengths):
        p = special.softmax(x[:, b].astype("d"), axis=1)
        wanted = [label for label in labels[b] if label > 0]
        total = 0.0
        for path in product(range(x.shape[2]), repeat=int(length)):
            spelled = [k for at, k in enumerate(path) if k and (at == 0 or path[at - 1] != k)]
            total += np.prod(p[np.arange(length), list(path)]) if spelled == wanted else 0
        with np.errstate(divide="ignore"):
            costs.append(-np.log(total))
    return np.array(costs)


LABELS = np.array([[1, 2, -1], [1, 1, -1], [-1, -1, -1], [2, 1, 2], [2, -1, 1]])
case("nnet/ctc", nnet.ctc.ctc, ctc, lambda n, d: [d(5, n, 3), LABELS[:n], np.array([3, 5, 4, 5, 0])[:n]],
     sizes=(0, 1, 4), gradient=1, rtol=ROUGH)
case("nnet/ctc/one label", nnet.ctc.ctc, ctc, lambda n, d: [d(4, n, 2), np.full((n, 1), 1), np.full(n, 4)], gradient=1,
     rtol=ROUGH)



def ctc_slopes(x, labels, lengths):
    """Differences of `ctc`, extrapolated."""
    slopes = np.zeros(x.shape)
    with np.errstate(invalid="ignore"):
        for at in np.ndindex(x.shape):
            unit = np.zeros(x.shape)
            unit[at] = 1e-3
            ends = [[ctc(x + h * unit, labels, lengths)[at[1]] for h in (s, -s)] for s in (1, 0.5)]
            wide, narrow = ends[0][0] - ends[0][1], 2 * (ends[1][0] - ends[1][1])
            slopes[at] = (4 * narrow - wide) / 6e-3
    return np.nan_to_num(slopes)


case("nnet/ctc/gradient", lambda x, labels, lengths: T.grad(nnet.ctc.ctc(x, labels, lengths).sum(), x), ctc_slopes,
     lambda n, d: [d(4, n, 3), LABELS[:n], np.array([2, 4, 1])[:n]], sizes=(0, 1, 3), gradient=False,
     rtol={"f": 2e-4, "d": 1e-9})

# -- what hands on its input -----------------------------------------------------------------------------------------

case("identity/assert", lambda x: Assert("positive")(x, (x > 0).all(), x.shape[0] < 9) ** 2, lambda x: x ** 2,
     lambda n, d: [d.positive(n, 3)], dtypes="lfd")
case("identity/assert/scalar", lambda x: Assert("positive")(x.sum(), T.all(x > 0)) ** 2, lambda x: x.sum() ** 2,
     lambda n, d: [d.positive(n, 3)])
case("identity/check", lambda x: CheckAndRaise(ValueError, "positive")(x, (x > 0).all()), lambda x: x,
     lambda n, d: [d.positive(n, 3)])
case("identity/views", lambda x: [ViewOp()(x) * 2, OutputGuard()(x), DeepCopyOp()(x)], lambda x: [2 * x, x, x],
     lambda n, d: [d(n, 3)], dtypes="?lefdFD")
case("identity/print", lambda x: Print("x", global_fn=lambda op, value: None)(x) * 2, lambda x: 2 * x,
     lambda n, d: [d(n, 3)], dtypes="lfd")

gates = (stop.disconnected_grad, stop.zero_grad, stop.undefined_grad, lambda x: stop.grad_clip(x, -1, 1),
         lambda x: stop.grad_scale(x, 2.0))
case("autodiff/gates", lambda x: [gate(x) + 1 for gate in gates], lambda x: [x + 1] * 5, lambda n, d: [d(n, 3)],
     gradient=False)
case("autodiff/jacobian", lambda x: T.jacobian(x ** 3, x), lambda x: np.diag(3 * x ** 2), lambda n, d: [d(n)],
     dtypes="d")
case("autodiff/hessian", lambda x: T.hessian((x ** 3).sum() + x.prod(), x),
     lambda x: np.diag(6 * x) + (x.prod() / np.outer(x, x)) * (1 - np.eye(len(x))), lambda n, d: [d(n)], dtypes="d")

# -- functions and files ---------------------------------------------------------------------------------------------

folder = TemporaryDirectory()
np.save(f"{folder.name}/row.npy", np.arange(3.0))
case("host/as_op", as_op([T.dmatrix], [T.dmatrix, T.dvector], lambda node, shapes: [shapes[0], shapes[0][:1]])(
    lambda x: [np.sort(x), x.sum(1)]), lambda x: [np.sort(x), x.sum(1)], lambda n, d: [d(n, 3)], dtypes="d",
     gradient=False)
case("host/load", lambda x: x + load(f"{folder.name}/row.npy", "float64", (False,)), lambda x: x + np.arange(3.0),
     lambda n, d: [d(n, 3)], dtypes="d")
