"""A device reached over SSH: the user's own OpenSSH carries a keeper there, which runs the profiling worker."""
