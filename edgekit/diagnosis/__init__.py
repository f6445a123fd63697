"""``edgekit doctor``: what is here or on a board, what is missing for which command, and what hurts in a model."""
