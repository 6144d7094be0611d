"""What `make bench` runs: each prints its figures as ratios of a raw reference measured beside it. Nothing here asserts on time."""
