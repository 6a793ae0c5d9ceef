"""What the engine remembers: the state model, its file, the journal, locks, and the backends that keep them."""
