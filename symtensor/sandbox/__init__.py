"""Names that Theano kept here: `symtensor.sandbox.rng_mrg`."""
