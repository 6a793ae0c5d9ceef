"""Stack files: reading them, the model they decode into, and what can be checked without a provider."""
