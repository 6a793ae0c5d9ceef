"""The built-in functions of the language, one module per family. `registry` loads a family on first use."""
