"""Milliseconds on a board that is not here: a workload read from the model file, a fitted model of the board."""
