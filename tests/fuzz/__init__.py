"""Inputs nobody would write, thrown at what has to survive them."""
