"""The dependency graph: what refers to what, in which order it has to be looked at, and what can be read off it."""
