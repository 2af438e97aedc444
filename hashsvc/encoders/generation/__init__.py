"""Members that lead back from a latent to an item: what their networks share, how they train, what can be looked at."""
