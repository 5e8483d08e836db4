"""``python -m condensation`` is the command ``condense``."""

from condensation.cli import main

if __name__ == "__main__":
    main()
