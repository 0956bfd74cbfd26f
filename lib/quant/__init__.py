"""From float32 to 8 bits: affine mathematics, calibration, quantized models, and what each layer loses."""
