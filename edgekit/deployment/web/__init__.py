"""A page for a phone, which works offline after the first visit."""
