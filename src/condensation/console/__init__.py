"""What the subcommands do and print, a file for each or for a few that are alike; the command line imports them only when they run."""
