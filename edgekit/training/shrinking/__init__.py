"""Channels taken out of a network until its int8 file has a size."""
