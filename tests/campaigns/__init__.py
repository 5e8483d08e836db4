"""Seeded campaigns against the whole command: kills, damaged files, odd places, planted code, extreme numbers, long sequences.

``python -m tests.campaigns kill --trials 60 --seed 1`` prints one line per failure and one summary line.
"""
