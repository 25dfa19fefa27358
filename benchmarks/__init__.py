"""symtensor beside NumPy, PyTensor, JAX and PyTorch: ``python -m benchmarks`` (or ``python3 dev.py bench``)."""

import os

# Before NumPy is loaded: idle threads of its BLAS would spin for 0.1 s while others are timed, not for 2^20 cycles.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")
