"""Tests of the HTTP API, over real sockets and a real database."""
