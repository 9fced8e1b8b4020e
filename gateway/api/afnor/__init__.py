"""The national face: AFNOR XP Z12-013, so that software that speaks to an approved platform speaks to us unchanged.

A *flow* is its word for the unit of exchange; here it is a view on a document or on a status message that was received.
"""
