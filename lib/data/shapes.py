"""Procedurally generated images: ten shapes and textures, cluttered, noisy and partly hidden.

The stand-in where no image data can be had. Every label is right, but classes resemble each other on purpose: a shape
is stretched, turned, dim, noisy, on clutter, or behind a bar.
"""

import numpy as np

NAME = "synthetic images, not CIFAR-10"
CLASSES = ("checkers", "crescent", "cross", "disk", "hexagon", "ring", "square", "star", "stripes", "triangle")

CHUNK = 500  # images drawn at a time, which bounds memory
RADIUS = (0.2, 0.65)  # of half the image; the smallest shapes are hard to tell apart at 32 pixels
CONTRAST = (0.18, 0.48)  # distance of the shape's colour from the background's, per channel, of the full range
NOISE = (0.02, 0.1)  # standard deviation of the white noise, of the full range
CLUTTER = 0.15  # largest amplitude of the background's blotches, of the full range
HIDDEN = 0.3  # share of images with a bar across


def polygon(x: np.ndarray, y: np.ndarray, sides: int, apothem: float) -> np.ndarray:
    """Signed distance to the sides of a regular polygon around the origin.

    >>> polygon(np.array([0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0]), sides=4, apothem=1).round(3).tolist()
    [-1.0, 0.414, -0.293]
    """
    sector = 2 * np.pi / sides
    return np.hypot(x, y) * np.cos(np.arctan2(y, x) % sector - sector / 2) - apothem


def bar(x: np.ndarray, y: np.ndarray, width: float, height: float) -> np.ndarray:
    """Signed distance, outside along the nearer axis, to a rectangle around the origin; sizes are half sizes.

    >>> bar(np.array([0.0, 2.0, 0.0]), np.array([0.0, 0.0, 2.0]), width=1, height=0.5).tolist()
    [-0.5, 1.0, 1.5]
    """
    return np.maximum(np.abs(x) - width, np.abs(y) - height)


def distance(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Signed distance to the outline of a shape about as large as the unit disk; negative inside.

    x, y : coordinates in units of the shape's radius, any shape

    >>> distance("disk", np.array([0.0, 1.0]), np.array([0.0, 0.0])).round(2).tolist()
    [-0.88, 0.12]
    >>> distance("ring", np.array([0.0, 0.7]), np.array([0.0, 0.0])).round(2).tolist()
    [0.48, -0.22]
    """
    r = np.hypot(x, y)
    match name:
        case "crescent":
            return np.maximum(r - 0.95, 0.75 - np.hypot(x - 0.5, y))
        case "cross":
            return np.minimum(bar(x, y, 0.95, 0.3), bar(x, y, 0.3, 0.95))
        case "hexagon":
            return polygon(x, y, 6, 0.8)
        case "ring":
            return np.abs(r - 0.7) - 0.22
        case "square":
            return polygon(x, y, 4, 0.75)
        case "star":
            return r - 0.7 - 0.25 * np.cos(5 * np.arctan2(y, x))
        case "triangle":
            return polygon(x, y, 3, 0.55)
    return r - 0.88  # disk, and the textures on it


def texture(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of the shape's colour inside the shape, 0 … 1; 1 but for textures.

    >>> texture("stripes", np.pi / 14 * np.array([-1, 0, 1]), np.zeros(3)).round(3).tolist()
    [0.0, 0.5, 1.0]
    """
    match name:
        case "checkers":
            return 0.5 + 0.5 * np.tanh(6 * np.sin(5.5 * x) * np.sin(5.5 * y))
        case "stripes":
            return 0.5 + 0.5 * np.tanh(4 * np.sin(7 * x))
    return np.ones_like(x)


def blotches(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Smooth random fields [N, 3, size, size] between -1 and 1: 6 x 6 random values, interpolated linearly.

    >>> fields = blotches(np.random.default_rng(0), count=2, size=16)
    >>> fields.shape, float(abs(fields).max()) <= 1
    ((2, 3, 16, 16), True)
    """
    nodes = rng.uniform(-1, 1, (count, 3, 6, 6)).astype(np.float32)
    place = np.linspace(0, 5, size)
    weights = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(6))).astype(np.float32)
    return weights @ nodes @ weights.T


def draw(labels: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """One image per label: uint8 [N, 3, size, size].

    >>> images = draw(np.array([CLASSES.index("disk"), CLASSES.index("star")]), 16, np.random.default_rng(0))
    >>> images.shape, images.dtype
    ((2, 3, 16, 16), dtype('uint8'))
    """
    count = len(labels)

    def uniform(low: float, high: float, *shape: int) -> np.ndarray:
        return rng.uniform(low, high, (count, *(shape or (1, 1)))).astype(np.float32)

    def rotated(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        angle = uniform(0, 2 * np.pi)
        return np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y

    # Image coordinates from -1 to 1; the shape's own are moved, turned, scaled and stretched.
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j].astype(np.float32)
    radius, stretch = uniform(*RADIUS), uniform(0.8, 1.25)
    u, v = rotated(x - uniform(-0.35, 0.35), y - uniform(-0.35, 0.35))
    u, v = u / radius * stretch, v / radius / stretch
    u, v = rotated(u, v)

    cover = np.empty((count, size, size), np.float32)
    pixel = 2 / size / radius
    for label, name in enumerate(CLASSES):
        of = labels == label
        inside = np.clip(0.5 - distance(name, u[of], v[of]) / pixel[of], 0, 1)
        cover[of] = inside * texture(name, u[of], v[of])

    background = uniform(0.2, 0.8, 3, 1, 1)
    sign = np.where(background > 0.5, -1, 1) * np.where(uniform(0, 1, 3, 1, 1) < 0.1, -1, 1)
    image = background + uniform(0, CLUTTER, 1, 1, 1) * blotches(rng, count, size)
    image += cover[:, None] * (sign * uniform(*CONTRAST, 3, 1, 1) + 0.5 * CLUTTER * blotches(rng, count, size))

    a, b = rotated(x - uniform(-0.7, 0.7), y - uniform(-0.7, 0.7))
    hidden = (bar(a, b, 2, uniform(0.06, 0.2)) < 0) & (uniform(0, 1) < HIDDEN)
    image = np.where(hidden[:, None], uniform(0, 1, 3, 1, 1), image)
    image += uniform(*NOISE, 1, 1, 1) * rng.standard_normal(image.shape, np.float32)
    return np.clip(255 * image + 0.5, 0, 255).astype(np.uint8)


def shapes(count: int, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`count` images uint8 [N, 3, size, size] and their labels int64 [N], evenly over the classes.

    >>> images, labels = shapes(20, 8, np.random.default_rng(0))
    >>> images.shape, np.bincount(labels).tolist()
    ((20, 3, 8, 8), [2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    """
    labels = rng.permutation(np.arange(count) % len(CLASSES))
    images = np.empty((count, 3, size, size), np.uint8)
    for start in range(0, count, CHUNK):
        images[start : start + CHUNK] = draw(labels[start : start + CHUNK], size, rng)
    return images, labels
