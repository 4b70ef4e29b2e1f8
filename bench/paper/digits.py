"""Handwritten digits with dialects and with noise, and models of scikit-learn fitted to them.

The images are those that scikit-learn ships (1,797 of 8 x 8 pixels, ten classes; Alpaydin and Kaynak 1998). A dialect
is a slant: who writes in it turns every digit by about the same angle, each writer by one a little different. As with
spoken dialects a model fitted to one of them does well on it, less well on its neighbours, and badly far away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Doubles: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

SIDE: Final = 8
PIXELS: Final = SIDE * SIDE
BRIGHTEST: Final = 16.0
FITTED_SHARE: Final = 0.5  # of the images; models never see the others
DIALECT_STEP_DEGREES: Final = 14.0
WRITER_SPREAD_DEGREES: Final = 6.0  # standard deviation around the dialect


@dataclass(frozen=True)
class Images:
    """Images, shape (n, PIXELS), 0 to BRIGHTEST, and what they show, shape (n,)."""

    pixels: Doubles
    labels: Integers

    def some(self, count: int, rng: np.random.Generator) -> Images:
        """Draw images with replacement."""
        at = rng.integers(len(self.labels), size=count)
        return Images(self.pixels[at], self.labels[at])

    def turned(self, degrees: Doubles) -> Images:
        """Turn each image by its angle, shape (n,), about its middle."""
        return Images(turn(self.pixels, degrees), self.labels)

    def noisy(self, spread: float, rng: np.random.Generator) -> Images:
        """Add noise of this standard deviation to every pixel."""
        pixels = self.pixels + rng.normal(0.0, spread, self.pixels.shape)
        return Images(np.clip(np.round(pixels, 1), 0.0, BRIGHTEST), self.labels)


@cache
def split_images() -> tuple[Images, Images]:
    """Return the images to fit models to, and those to ask about."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    pixels, labels = np.asarray(loaded.data, np.float64), np.asarray(loaded.target, np.int64)
    order = np.random.default_rng(0).permutation(len(labels))
    fitted, asked = np.split(order, [round(FITTED_SHARE * len(order))])
    return Images(pixels[fitted], labels[fitted]), Images(pixels[asked], labels[asked])


def turn(pixels: Doubles, degrees: Doubles) -> Doubles:
    """Turn images about their middle; what turns in from outside is black.

    Parameters
    ----------
    pixels : ndarray, shape (n, PIXELS)
    degrees : ndarray, shape (n,)
        Counter-clockwise.
    """
    middle = (SIDE - 1) / 2
    row, column = (axis.ravel() - middle for axis in np.mgrid[:SIDE, :SIDE])
    angle = np.radians(degrees)[:, None]
    # Where each pixel comes from, between four pixels of the image with a black rim around it.
    y = np.clip(np.cos(angle) * row + np.sin(angle) * column + middle + 1, 0, SIDE + 0.999)
    x = np.clip(np.cos(angle) * column - np.sin(angle) * row + middle + 1, 0, SIDE + 0.999)
    rimmed = np.pad(pixels.reshape(-1, SIDE, SIDE), ((0, 0), (1, 1), (1, 1)))
    top, left = y.astype(int), x.astype(int)
    down, right = y - top, x - left
    image = np.arange(len(pixels))[:, None]
    upper = rimmed[image, top, left] * (1 - right) + rimmed[image, top, left + 1] * right
    lower = rimmed[image, top + 1, left] * (1 - right) + rimmed[image, top + 1, left + 1] * right
    return np.asarray(np.round(upper * (1 - down) + lower * down, 3), np.float64)


def dialect_degrees(dialects: int) -> Doubles:
    """Return the slant of each dialect, evenly spaced around upright."""
    return np.asarray((np.arange(dialects) - (dialects - 1) / 2) * DIALECT_STEP_DEGREES, np.float64)


def writer_degrees(dialects: Integers, count: int, rng: np.random.Generator) -> Doubles:
    """Draw the slants of writers, given the dialect of each, shape (n,), among so many."""
    return dialect_degrees(count)[dialects] + rng.normal(0.0, WRITER_SPREAD_DEGREES, len(dialects))


def fit_dialects(count: int, seed: int) -> list[Any]:
    """Fit one model to each dialect, and a last one to all of them together; all of one kind."""
    images, rng = split_images()[0], np.random.default_rng([seed, count])
    samples = []
    for dialect in range(count):
        written = images.some(2 * len(images.labels), rng)
        of_dialect = np.full(len(written.labels), dialect)
        samples.append(written.turned(writer_degrees(of_dialect, count, rng)))
    everything = Images(
        np.concatenate([sample.pixels for sample in samples]), np.concatenate([sample.labels for sample in samples])
    )
    return [_fitted(_linear(), sample) for sample in (*samples, everything)]


def fit_members(names: Sequence[str], spread: float, seed: int) -> list[Any]:
    """Fit models of different kinds, by name, to images with noise of this standard deviation."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    kinds = {
        "tree": DecisionTreeClassifier(max_depth=10, random_state=seed),
        "bayes": GaussianNB(var_smoothing=1e-2),
        "linear": _linear(),
        "neighbour": KNeighborsClassifier(1),
        "forest": RandomForestClassifier(20, random_state=seed),
    }
    images, rng = split_images()[0], np.random.default_rng([seed, len(names)])
    return [_fitted(kinds[name], images.noisy(spread, rng)) for name in names]


def _linear() -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.02)  # fitted in a tenth of a second


def _fitted(model: Any, images: Images) -> Any:
    return model.fit(images.pixels, images.labels)
