"""Builds the optional C extension; without it compiled programs run through ctypes."""

import numpy
from setuptools import Extension, setup

RUNTIME = "symtensor/link/runtime"
PAGES = ("module", "program", "execute", "plan", "caller", "lock", "support", "memory", "gemm", "narrow", "gemv",
         "blocked", "linalg")

setup(
    ext_modules=[
        Extension(
            "symtensor.link.runtime._runtime",
            sources=[f"{RUNTIME}/{page}.c" for page in PAGES],
            depends=[f"{RUNTIME}/{page}.h" for page in ("symtensor", "support", "matrix", "module", "blocked_tile",
                                                        "narrow_tile", "linalg_tile")],
            include_dirs=[numpy.get_include(), RUNTIME],
            extra_compile_args=["-std=gnu11", "-O3", "-fwrapv", "-fvisibility=hidden", "-pthread"],
            extra_link_args=["-pthread"],
            optional=True,
        )
    ]
)
