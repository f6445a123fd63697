"""Search: the best student that fits a device, found in a family of networks and distilled."""
