"""Embedding models, language models, and where their files come from."""
