"""Drivers, one file each: whatever file of this folder says ``DRIVER`` is one, found by its name."""
