"""Which payment settles what: a bank's lines held against what is owed, with the reasons. Pure."""
