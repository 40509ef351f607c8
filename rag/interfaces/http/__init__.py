"""The HTTP face and the OpenAI-compatible one."""
