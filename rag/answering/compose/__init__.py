"""Answers put together from sentences of the articles, without a language model: one module a kind of question."""
