"""What the integer engine says when it must not guess."""

from onnx import NodeProto

from lib.errors import InputError


class UnsupportedModelError(InputError):
    """A graph that cannot be run with integers exactly as ONNX Runtime runs it; the message names node and operator."""

    @classmethod
    def at(cls, node: NodeProto, reason: str) -> "UnsupportedModelError":
        """The error for one node.

        >>> from onnx.helper import make_node
        >>> node = make_node("Softmax", ["x"], ["y"], name="shares")
        >>> print(UnsupportedModelError.at(node, "end the model before it"))
        node 'shares' (Softmax): end the model before it
        """
        return cls(f"node {node.name or node.output[0]!r} ({node.op_type}): {reason}")
