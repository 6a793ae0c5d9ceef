"""Evaluation: what names mean inside a module instance, how blocks multiply, and what bodies come to."""
