"""``python -m symtensor.ops``: what every op has and lacks."""

from __future__ import annotations

import sys

from symtensor.ops.inventory import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
