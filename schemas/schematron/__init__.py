"""Compiles the official Schematron artefacts to Python and runs them in process, as their publishers would."""
