"""The simulated approved platform: a server of its own for first runs, demos and tests. It is no approved platform.

`server` serves the sender's operations of AFNOR XP Z12-013 Flow Service 1.3.0, `questions` checks what it is asked,
`ledger` keeps what was received, `reading` opens the documents, `buyers` says how each buyer behaves, and `flows`
derives from those what can be seen now.
"""
