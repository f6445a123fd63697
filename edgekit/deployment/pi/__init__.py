"""An app for a Raspberry Pi or any other small Linux computer."""
