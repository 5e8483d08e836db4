"""Content of reports: what is shown of a run, a set and a study."""
