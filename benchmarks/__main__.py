"""`python -m benchmarks`: what a call costs, beside what else one could use."""

from .calls import main

main()
