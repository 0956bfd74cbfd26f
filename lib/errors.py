"""The one exception for mistakes that a user can mend."""


class InputError(ValueError):
    """Bad input, said in one line: what is wrong, where, and what to do.

    Jobs print this line alone, without a traceback, and exit with 1.

    >>> from lib.graph import load
    >>> load("none.onnx")
    Traceback (most recent call last):
        ...
    lib.errors.InputError: none.onnx: no such model file
    >>> str(InputError("layer 'a\\nb': unknown"))  # whatever a file holds
    "layer 'a b': unknown"
    """

    def __init__(self, message: str):
        super().__init__(" ".join(message.splitlines()))
