"""The tests. The tree mirrors the packages; tests/samples holds files made by us."""
