"""One script per question, run from the root of the repository: ``python -m benchmarks.dm_step``.

Each compares alternatives in one run, prints ratios, and writes its measurements and the machine to results/benchmarks/.
"""
