"""What a document is: the EN 16931 model, the syntaxes, the rules, the code lists. Bytes in, values out; no I/O."""
