"""Printing graphs: `pp` (an expression), `debugprint` (a tree), `pydotprint` (a picture). Theano's names."""

from symtensor.ops.identity import Print
from symtensor.printing.debug import debugprint
from symtensor.printing.draw import pydotprint, to_svg
from symtensor.printing.expression import pp, pprint

__all__ = ["Print", "debugprint", "pp", "pprint", "pydotprint", "to_svg"]
