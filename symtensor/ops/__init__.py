"""What can be computed: one page for each family of ops."""

from symtensor.ops import tensor_variable as _tensor_variable  # noqa: F401  (types make variables with methods)
