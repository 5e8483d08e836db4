"""One script a question, run from the root of the repository: ``python -m benchmarks.dm_step``.

Each compares in one run, prints ratios, and writes what it measured, and on what machine, to results/benchmarks/.
"""
