"""Serving over HTTP: the models of a store, and the pages of a web bundle. Needs the extra ``serve``."""
