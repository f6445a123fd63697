"""What the rungs of the ladder do, one file for each method."""
