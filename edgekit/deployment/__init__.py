"""From a model file to an app that works as it is: one bundle for each target, written by ``deploy``."""
