"""Answers that are the articles' own sentences, quoted without a language model."""
