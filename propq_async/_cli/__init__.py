"""The command line, in the extra `cli`."""
