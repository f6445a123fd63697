"""A model file: what MODEL names, what is in it without running it, and opening it in a sandbox."""
