"""Tests of what speaks to other systems, each against a real server on loopback."""
