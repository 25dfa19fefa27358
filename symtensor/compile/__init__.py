"""`function` and what belongs to it: inputs and outputs, modes, shared variables, calls, profiles, pickling."""
