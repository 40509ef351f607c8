"""The faces: each parses, calls the assistant, and renders what comes back."""
