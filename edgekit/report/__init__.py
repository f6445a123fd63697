"""Plots, the HTML report and the demo that ends in one."""
