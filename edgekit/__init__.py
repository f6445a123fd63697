"""EdgeKit: from a trained teacher to a verified int8 student file, and what it costs on a device."""

__version__ = "0.1.0"
