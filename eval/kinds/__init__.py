"""Fits the weights that tell the kind of a question, and measures how well they do on what they have not seen."""
