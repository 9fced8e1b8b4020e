"""One folder per format; each says how it is recognised, read and written."""
