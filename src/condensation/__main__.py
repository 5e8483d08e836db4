"""``python -m condensation`` is the command ``condense``."""

from condensation.cli.main import main

if __name__ == "__main__":
    main()
