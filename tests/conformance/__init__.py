"""`make conformance`: hybrid PDFs of every profile and of odd content, held against the judges that others use."""
