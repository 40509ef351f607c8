"""From a question to an answer: retrieval, evidence, prompts, claims, citations."""
