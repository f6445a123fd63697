"""Browsers as devices: the page of the web target measures a model, here in a headless browser or on a phone."""
