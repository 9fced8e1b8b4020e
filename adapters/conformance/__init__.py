"""Holds any platform of AFNOR XP Z12-013 against the standard: about a hundred scenarios, and the sheet they end in.

One module for each family of scenarios. A scenario is a small function whose docstring says what is asked for and, in
its last paragraph, where that stands. `catalogue` lists them all, `sheet` plays them and says what our client will do.
"""
