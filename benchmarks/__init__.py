"""What the client costs, measured beside what else one could use. See `benchmarks/README.md`."""
