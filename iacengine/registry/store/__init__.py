"""What the registry keeps in its database, one file for each noun. Every text in SQL is a parameter."""
