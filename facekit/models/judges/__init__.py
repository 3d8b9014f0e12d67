"""Networks that predict what a face shows: emotion (E1, E2), identity (E6) and action units (E7)."""
