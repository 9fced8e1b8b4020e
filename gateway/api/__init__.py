"""The HTTP faces of the gateway. The route table is in application.py."""
