"""One file per authority: which official artefacts it publishes and which documents they judge."""
