"""Where a model is measured: one driver per file, imported when a device that needs it is opened."""
