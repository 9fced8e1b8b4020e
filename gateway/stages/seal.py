"""Seal: sign and timestamp what is ours.

This release has no setting for a signing key, so each document says that the stage was skipped.
"""

from __future__ import annotations

from gateway.lifecycle import Outcome, Skipped
from gateway.resources import Resources, Work


async def run(work: Work, resources: Resources) -> Outcome:
    """Record that no seal was set, and why: a missing seal is visible, never implied."""
    return Skipped("no signing key is configured")
