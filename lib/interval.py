"""How far a measured share can be trusted."""

from math import sqrt

Z95 = 1.959963984540054  # 97.5 % quantile of the standard normal distribution


def wilson(correct: int, samples: int, z: float = Z95) -> tuple[float, float]:
    """Wilson score interval (low, high) of a proportion, 0 … 1; 95 % by default.

    Unlike the normal approximation it stays within 0 … 1 and keeps its coverage near both ends.
    Source: Wilson, JASA 22 (1927) 209-212; recommended by Brown, Cai and DasGupta, Statistical Science 16 (2001)
    101-133.

    >>> [round(bound, 4) for bound in wilson(7902, 10_000)]
    [0.7821, 0.7981]
    >>> wilson(0, 10)[0]
    0.0
    """
    share = correct / samples
    scale = 1 + z * z / samples
    centre = (share + z * z / (2 * samples)) / scale
    half = z / scale * sqrt(share * (1 - share) / samples + z * z / (4 * samples * samples))
    # At both ends one bound is the share itself; rounding would move it to the wrong side.
    return centre - half if correct else 0.0, centre + half if correct < samples else 1.0


def paired_difference(only_first, only_second, samples, z: float = Z95):
    """Wald interval (low, high) of the first model's accuracy minus the second's on the same samples; 95 % by default.

    only_first, only_second : numbers of samples that only one of the two classifies correctly; scalars or arrays
    Source: Agresti, Categorical Data Analysis, 2nd edition 2002, section 10.1.

    >>> [round(float(bound), 4) for bound in paired_difference(60, 40, 10_000)]
    [0.0, 0.004]
    """
    difference = (only_first - only_second) / samples
    half = z * (only_first + only_second - (only_first - only_second) ** 2 / samples) ** 0.5 / samples
    return difference - half, difference + half
