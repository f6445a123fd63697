"""Fine-tuning of a network that knows photos: its features, a head for them, and what of it learns on."""
