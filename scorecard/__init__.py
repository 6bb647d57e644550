"""Replays recorded exchanges of the real server against the devserver and compares the answers.

``python -m scorecard`` prints the result per scenario; see ``__main__``.
"""
