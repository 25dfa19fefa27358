"""The C side of calls: the extension `_runtime`, and the C texts it is built from."""
