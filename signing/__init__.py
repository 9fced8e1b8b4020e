"""What makes a document trustworthy: canonical bytes and hash chains. Bytes in, bytes out; no I/O."""
