"""The expression language: types, values, syntax, evaluation and built-in functions. No I/O of its own."""
