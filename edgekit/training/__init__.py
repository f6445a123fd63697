"""Training: teachers from labels, students from a teacher's answers."""
