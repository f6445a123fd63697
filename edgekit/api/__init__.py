"""The Python API: a function for each verb, and a model file as an object. ``edgekit`` itself names what is public."""
