"""`function`: from symbolic inputs and outputs to something that computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symtensor.compile.build import resolve
from symtensor.compile.caller import Function, make_function
from symtensor.compile.mode import Mode, get_mode
from symtensor.compile.profile import Profile
from symtensor.config import config

__all__ = ["Function", "function"]


def function(inputs: Sequence[Any], outputs: Any = None, mode: Mode | str | None = None, updates: Any = None,
             givens: Any = None, no_default_updates: Any = False, accept_inplace: bool = False,
             name: str | None = None, rebuild_strict: bool = True, allow_input_downcast: bool | None = None,
             profile: bool | Profile | None = None, on_unused_input: str | None = None) -> Function:
    """Compile a function that takes values for ``inputs`` and returns those of ``outputs`` (Theano's name).

    Parameters
    ----------
    inputs : list of variables or `In`. They are passed by position or, where they have names, by keyword.
    outputs : a variable or `Out` (a call returns its value), a list of them (a list of values), a dict with
        str keys (a dict), or None (an empty list).
    mode : a `Mode`, or its name: 'FAST_RUN', 'FAST_COMPILE', 'INTERPRETER', 'auto' (the interpreter, until native
        code has been compiled in the background: see ``f.backend`` and ``f.wait()``); by default ``config.mode``.
    updates : dict or list of pairs (shared variable, expression of its new value). All new values are
        computed from the old ones, and stored only when the whole call succeeded.
    givens : dict or list of pairs (variable, what stands in its place in this function): expressions or
        values.
    no_default_updates : True: shared variables keep their value even where they have a ``default_update``; or
        a list of the shared variables for which this holds.
    accept_inplace : taken for Theano's sake; there are no in-place ops in a graph.
    name : what messages and profiles call the function.
    rebuild_strict : False lets ``givens`` change the type of what they replace.
    allow_input_downcast : True: arguments may lose precision; False: not even Python floats; None: only
        these.
    profile : True, or a `Profile` to add to: keep times (see ``f.profile.summary()``); by default
        ``config.profile``.
    on_unused_input : 'raise', 'warn' or 'ignore' an input that nothing needs; by default
        ``config.on_unused_input``.

    Raises TypeError and ValueError where arguments do not fit, MissingInputError where an output needs a
    variable that is no input, UnusedInputError.

    >>> from symtensor import function, shared, tensor as T
    >>> total, x = shared(0.0), T.dscalar("x")
    >>> add = function([x], total + x, updates={total: total + x})
    >>> float(add(2)), float(add(x=3)), float(total.get_value())
    (2.0, 5.0, 5.0)
    """
    if name is not None and not isinstance(name, str):
        raise TypeError(f"function: name is a str, got {name!r}")
    recipe = resolve(
        inputs,
        outputs,
        updates,
        givens,
        no_default_updates,
        rebuild_strict,
        allow_input_downcast,
        name,
        on_unused_input,
    )
    return make_function(recipe, get_mode(mode), _profile(profile, name))


def _profile(profile: Any, name: str | None) -> Profile | None:
    if profile is None:
        profile = bool(config.profile)
    if isinstance(profile, Profile):
        return profile
    if isinstance(profile, str):  # Theano: the text that heads the profile
        return Profile(profile)
    return Profile(name or "") if profile else None
