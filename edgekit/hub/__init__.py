"""A hub of models on the network, as Hugging Face's: what is fetched from it, and what is given to it."""
