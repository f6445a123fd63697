"""Judging model files: against labels, against each other, on single pictures, and by what is inside."""
