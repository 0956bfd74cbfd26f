"""The workflow put to the test: what a run was made of, two runs compared, faults survived."""
