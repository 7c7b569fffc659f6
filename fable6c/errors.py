"""Errors that a person can mend. A stage raises `UserError` with one line that says what was found and what to do; fable6c/cli.py reports it."""


class UserError(Exception):
    """A mistake in the input. The text is one complete line for the person; `status` is the process's exit status."""

    status = 1


class UsageError(UserError):
    """A wrong flag, value or configuration key."""

    status = 2
