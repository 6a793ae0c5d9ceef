"""Web pages about what the registry holds, made here as HTML; scripts only add to what works without them."""
