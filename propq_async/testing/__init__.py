"""A PropQ server to test against."""
