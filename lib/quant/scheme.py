"""How a model is quantized, and the name that says so."""

from dataclasses import asdict, dataclass

from lib.errors import InputError

PARTS = {
    "format": ("qdq", "qoperator"),
    "activation": ("uint8", "int8", "int8sym"),
    "granularity": ("tensor", "channel"),
    "calibration": ("minmax", "percentile", "entropy"),
}


@dataclass(frozen=True)
class Scheme:
    """One way to quantize: graph format, activation type, weight granularity, calibration.

    Weights are int8 and symmetric in every scheme. Activations are uint8 or int8 with a zero point, or int8sym: int8
    with zero point 0.
    """

    format: str
    activation: str
    granularity: str
    calibration: str

    @classmethod
    def parse(cls, name: str) -> "Scheme":
        """The scheme called `name`; raises InputError where a part is unknown.

        >>> Scheme.parse("qdq_int8sym_channel_minmax").activation
        'int8sym'
        """
        parts = name.split("_")
        known = len(parts) == len(PARTS) and all(p in PARTS[key] for p, key in zip(parts, PARTS, strict=True))
        if not known:
            choices = "_".join("|".join(values) for values in PARTS.values())
            raise InputError(f"scheme {name!r}: unknown; write it as {choices}")
        return cls(*parts)

    @property
    def name(self) -> str:
        return "_".join(asdict(self).values())

    @property
    def signed(self) -> bool:
        """Whether activations are signed integers."""
        return self.activation != "uint8"

    @property
    def symmetric(self) -> bool:
        """Whether the zero point of activations is 0."""
        return self.activation == "int8sym"

    def columns(self) -> dict[str, str]:
        """The scheme as columns of a table.

        >>> Scheme("qdq", "uint8", "tensor", "minmax").columns()["scheme"]
        'qdq_uint8_tensor_minmax'
        """
        return {"scheme": self.name, **asdict(self)}
