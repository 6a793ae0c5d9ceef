"""Planning: what has to change, and the steps, in order, that change it."""
