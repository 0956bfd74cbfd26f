"""Labelled arrays with their provenance: images, signals, and what people bring."""
