"""Profiling: how big a model file is, how much memory it takes, how fast it runs, and where the time goes."""
