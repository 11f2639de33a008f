"""The one exception that users are meant to read."""


class BrainworthError(Exception):
    """Bad input or an impossible request.

    The message is one sentence that names the file or key, what was expected, and what to do.
    """
