"""Measures what the product promises of speed, lateness and size, beside a raw C loop on the same machine.

`python -m benchmarks` runs real `smart-cron master` processes in fresh homes and prints a table; see README.md.
"""
