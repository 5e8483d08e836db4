"""Studies: many runs that together answer a question, one folder per study."""
