"""Modules from elsewhere: their versions, packages and signatures, resolved, locked, and verified at every load."""
