"""What knows nothing of infrastructure: diagnostics, errors, settings, files."""
