"""Metrics, figures and the HTML page."""
