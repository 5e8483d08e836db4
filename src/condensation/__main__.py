"""``python -m condensation`` is the command ``condense``."""

import os
import sys
from pathlib import Path

# Python has put the current folder first on its path, where a file such as numpy.py would replace a library.
if os.path.abspath(sys.path[0]) == os.getcwd() and Path.cwd() not in Path(__file__).resolve().parents:
    del sys.path[0]

from condensation.cli.main import main

if __name__ == "__main__":
    main()
