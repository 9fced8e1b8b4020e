"""Exports of the archive, made while they are sent: a table, a ZIP of originals, what a tax inspector asks for.

Nothing is held in memory but one page of rows and one document: bytes go out as they are made, and what comes last in a
ZIP (its index, its manifest) waits in a temporary file. What could not be given is named with its reason, always.
"""
