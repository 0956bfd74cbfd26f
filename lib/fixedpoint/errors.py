"""What the integer engine says when it must not guess."""

from onnx import NodeProto

from lib.errors import InputError


class UnsupportedModelError(InputError):
    """A graph that cannot be run with integers exactly as ONNX Runtime runs it; the message names node and operator."""

    @classmethod
    def at(cls, node: NodeProto, reason: str) -> "UnsupportedModelError":
        """The error for one node."""
        return cls(f"node {node.name or node.output[0]!r} ({node.op_type}): {reason}")
