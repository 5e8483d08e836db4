"""Sets learned on one architecture and tested on others."""
