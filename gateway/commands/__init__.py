"""What the command `estafette` does: one file per command, each with its words for --help."""
