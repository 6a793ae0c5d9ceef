"""Providers: the one protocol they speak, how they are found, and the default planning the engine does for them."""
