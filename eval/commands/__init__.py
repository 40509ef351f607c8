"""The subcommands of `python -m eval`. Each parses its arguments, calls one function and prints the result."""
