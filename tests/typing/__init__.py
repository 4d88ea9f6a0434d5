"""Programs that must type-check, and some that must not, under mypy and pyright.

`.ci/check` runs both over this folder. A line that must be refused has a `type: ignore`, which both
report if nothing is wrong with the line.
"""
