"""The page that runs and measures models, the packages it needs, and the HTTP plumbing that servers share."""
