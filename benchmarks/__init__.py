"""symtensor beside PyTensor, JAX and PyTorch: ``python -m benchmarks`` (or ``python3 dev.py bench``)."""
