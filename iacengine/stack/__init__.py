"""Stacks in Python: load one from files or declare one, then plan, apply, destroy and ask for its outputs.

Import from `iacengine` itself (`from iacengine import Stack`), which loads this package on first use.
"""
