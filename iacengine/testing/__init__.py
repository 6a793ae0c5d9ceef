"""Testing of modules and of providers."""
