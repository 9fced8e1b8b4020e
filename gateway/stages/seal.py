"""Seal: sign and timestamp what is ours. This release has no signing key setting, so each document says it was skipped."""

from __future__ import annotations

from gateway.lifecycle import Outcome, Skipped
from gateway.resources import Resources, Work


async def run(work: Work, resources: Resources) -> Outcome:
    """Record that no seal was set, and why: a missing seal is visible, never implied."""
    return Skipped("no signing key is configured")
