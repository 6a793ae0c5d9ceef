"""The command line `iac` and its views."""
