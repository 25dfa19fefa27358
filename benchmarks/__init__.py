"""symtensor beside NumPy, PyTensor, JAX and PyTorch: ``python -m benchmarks`` (or ``python3 dev.py bench``)."""

import os

# Before NumPy is loaded: its BLAS's idle threads would go on spinning (for 0.1 s, not 2^20 cycles) while others are timed.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")
