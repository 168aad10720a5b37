"""Onsets in the sound: the offset between two recordings of one piece of music, and its tempo.

The onset strength is the spectral flux of Bello et al. (2005) in bands: how much louder each band
of the spectrum has become since the window before, in logarithms. numpy is enough for it; a library
of music analysis would bring a compiler and several more packages for these few lines.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.comparison.correlate import correlation_by_shift, peak
from dance_models.comparison.offset import Offset
from dance_models.comparison.performance import Sound
from dance_models.comparison.smooth import smoothed
from dance_models.config import ComparisonConfig

Floats = NDArray[np.float64]
HOP_S: Final = 0.01  # between onset strengths
WINDOW_S: Final = 0.046
BANDS: Final = 24
LOWEST_HZ, HIGHEST_HZ = 60.0, 5000.0
QUIET: Final = 1e-3  # of the band's mean power: what is below it is silence
BLOCK: Final = 4096  # windows that are transformed at a time
SPREAD: Final = 1.5  # hops, standard deviation: two microphones never hear one sharp onset alike
LOCAL_S: Final = 1.0  # an onset counts against what is usual about it
NEIGHBOUR_S: Final = 0.15  # a peak this near is the same one
SLOWEST_BPM, FASTEST_BPM, USUAL_BPM = 50.0, 210.0, 120.0
OCTAVES: Final = 0.9  # standard deviation of people's preference about the usual tempo


def onset_strength(sound: Sound) -> Floats:
    """(N, 24) onset strength of each band every 10 ms, from ``start_s`` on; zero mean.

    Empty for a sound that is shorter than a window.
    """
    hop, length = round(HOP_S * sound.rate), round(WINDOW_S * sound.rate)
    count = 1 + (len(sound.samples) - length) // hop if len(sound.samples) >= length else 0
    if count < 3:
        return np.zeros((0, BANDS))
    bands = _bands(length, sound.rate)
    power = np.empty((count, BANDS))
    windows = np.lib.stride_tricks.sliding_window_view(sound.samples, length)[::hop]
    for start in range(0, count, BLOCK):
        spectrum = np.fft.rfft(windows[start : start + BLOCK] * np.hanning(length), axis=1)
        power[start : start + BLOCK] = (np.abs(spectrum) ** 2) @ bands
    loudness = np.log(power + QUIET * power.mean(axis=0) + 1e-12)
    rise = np.maximum(np.diff(loudness, axis=0, prepend=loudness[:1]), 0.0)
    return smoothed(rise, SPREAD) - smoothed(rise, LOCAL_S / HOP_S)


def _bands(length: int, rate: float) -> Floats:
    """(length / 2 + 1, 24) which frequency belongs to which band; bands are even in pitch."""
    edges = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, 0.45 * rate), BANDS + 1)
    frequency = np.fft.rfftfreq(length, 1 / rate)
    inside = (frequency[:, None] >= edges[:-1]) & (frequency[:, None] < edges[1:])
    # Low bands are narrower than the transform resolves: each has the frequency nearest to it.
    nearest = np.abs(frequency[:, None] - np.sqrt(edges[:-1] * edges[1:])).argmin(axis=0)
    inside[nearest, np.arange(BANDS)] = True
    return inside.astype(np.float64)


def offset_from_sound(reference: Sound, practice: Sound, config: ComparisonConfig) -> Offset | None:
    """The shift at which the onsets of both recordings correlate best.

    None when they are not clearly recordings of one piece: the correlation is under
    ``least_sound``, or another shift, such as a bar later, is nearly as good.
    """
    first, second = onset_strength(reference), onset_strength(practice)
    overlap = max(config.least_overlap_s / HOP_S, config.least_share * min(len(first), len(second)))
    values, shifts = correlation_by_shift(first, second, round(overlap))
    if not len(values):
        return None
    shift, value = peak(values, shifts)
    away = values[np.abs(shifts - shift) > NEIGHBOUR_S / HOP_S]
    rival = float(away.max(initial=0.0))
    if value < config.least_sound or rival > config.sound_rival * value:
        return None
    return Offset(shift * HOP_S + practice.start_s - reference.start_s, value, "sound")


def beat_seconds(sound: Sound, config: ComparisonConfig) -> float | None:
    """Seconds a beat; None when the sound has no clear one.

    The peak of the autocorrelation of the onset strength, weighted by a preference for tempi about
    120 beats a minute (Ellis 2007). Half or double the tempo of a dancer's count is possible.
    """
    strength = onset_strength(sound).sum(axis=1, keepdims=True)
    most = round(60 / SLOWEST_BPM / HOP_S) + 1
    if len(strength) < 4 * most:
        return None
    values, shifts = correlation_by_shift(strength, strength, len(strength) - most)
    lag_s = shifts * HOP_S
    within = (lag_s >= 60 / FASTEST_BPM) & (lag_s <= 60 / SLOWEST_BPM)
    values, shifts, lag_s = values[within], shifts[within], lag_s[within]
    liking = np.exp(-0.5 * (np.log2(lag_s * USUAL_BPM / 60) / OCTAVES) ** 2)
    shift, _ = peak(values * liking, shifts)
    clear = float(values[np.abs(shifts - shift) <= 1].max())
    return float(shift * HOP_S) if clear >= config.least_beat else None
