"""From a picture to a model's input and from its output to probabilities, alike on every machine.

Bundles carry this package as it is, so that an app computes what EdgeKit evaluated. Its floor is Python 3.9 with NumPy
and Pillow; imports inside it are relative, and nothing else of EdgeKit is imported.
"""
