"""The one exception a user is meant to read."""


class InputError(Exception):
    """Something the user gave cannot be used. The message is one line that names the cause and the cure.

    The command line prints it and ends with exit code 2.
    """
