"""Model files kept by content hash in one SQLite file, each with its card, under names that a person chose."""
