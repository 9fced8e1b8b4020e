"""When: takes a document in, walks it down the line, remembers every step, answers the API.

Start at gateway/line.py.
"""
