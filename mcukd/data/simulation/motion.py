"""Motion of a simulated animal's head: one function per behaviour. SIMULATED, not fitted to recordings.

Every function returns `Motion` for n samples at rate_hz. Amplitudes are in g, angles in degrees,
frequencies in Hz. Behaviours are built to overlap in posture and in vigour, between animals and between
bouts, and to differ in rhythm; docs/reference/data.md says what is taken from papers and what is assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Signal1 = NDArray[np.float64]


@dataclass(frozen=True)
class Traits:
    """What stays with one animal. Rates in Hz, amplitudes in g, pitch in degrees head-down per behaviour."""

    step_hz: float
    step_g: float
    asymmetry: float
    bite_hz: float
    bite_g: float
    chew_hz: float
    chew_g: float
    sip_hz: float
    sip_g: float
    fidget_g: float
    flick_scale: float
    pitch: dict[str, float]


@dataclass
class Motion:
    """Head posture and linear acceleration: pitch (n,) and roll (n,) in degrees, linear (n, 3) in g.

    Axes: x forward, y to the left, z up, before the sensor's mounting.
    """

    pitch: Signal1
    roll: Signal1
    linear: NDArray[np.float64]


def draw_traits(rng: np.random.Generator) -> Traits:
    """Draw one animal."""
    return Traits(
        step_hz=rng.uniform(1.4, 2.0),
        step_g=rng.uniform(0.05, 0.12),
        asymmetry=rng.uniform(0.0, 0.4),
        bite_hz=rng.uniform(0.85, 1.25),
        bite_g=rng.uniform(0.10, 0.22),
        chew_hz=rng.uniform(0.95, 1.25),
        chew_g=0.030 * rng.lognormal(0, 0.25),
        sip_hz=rng.uniform(0.45, 0.65),
        sip_g=rng.uniform(0.05, 0.10),
        fidget_g=0.018 * rng.lognormal(0, 0.25),
        flick_scale=rng.lognormal(0, 0.4),
        pitch={
            "grazing": rng.normal(46, 9),
            "drinking": rng.normal(42, 9),
            "walking": rng.normal(18, 9),
            "ruminating": rng.normal(9, 9),
            "resting": rng.normal(9, 9),
        },
    )


def grazing(traits: Traits, rng: np.random.Generator, n: int, rate_hz: float) -> Motion:
    """Bites at irregular intervals, sweeps and nods of the head, a step now and then, looks around."""
    bites = _events(rng, n, rate_hz, traits.bite_hz, jitter=0.28)
    force = traits.bite_g * rng.lognormal(-0.08, 0.4, len(bites))
    pull = _ring(rng.uniform(4.0, 6.0), 0.10, rate_hz)
    steps = _events(rng, n, rate_hz, 0.25, jitter=0.6)
    thump = _ring(3.0, 0.15, rate_hz)
    linear = _fidget(rng, n, rate_hz, 0.6 * traits.fidget_g)
    linear[:, 0] -= _placed(n, bites, force, pull)
    linear[:, 2] += _placed(n, bites, 0.6 * force, pull)
    linear[:, 1] += _placed(n, bites, 0.4 * force * rng.choice([-1, 1], len(bites)), pull)
    linear[:, 2] += _placed(n, steps, traits.step_g * rng.lognormal(0, 0.3, len(steps)), thump)
    up = _spells(rng, n, rate_hz, every_s=70, lasts_s=(1.5, 3.5))
    pitch = _wander(rng, n, rate_hz, 0.35, 4.0) - 22 * up
    return Motion(pitch, _wander(rng, n, rate_hz, 0.3, 6.0), linear)


def walking(traits: Traits, rng: np.random.Generator, n: int, rate_hz: float) -> Motion:
    """Steps with their harmonic, sway and asymmetry at half the step rate, a nod with every step."""
    phase = _phase(rng, n, rate_hz, traits.step_hz * rng.normal(1, 0.05), 0.04)
    vigour = traits.step_g * rng.lognormal(0, 0.2) * (1 + traits.asymmetry * np.cos(phase / 2))
    linear = _fidget(rng, n, rate_hz, traits.fidget_g)
    linear[:, 0] += 0.6 * vigour * np.sin(phase + 0.7) + 0.2 * vigour * np.sin(2 * phase)
    linear[:, 1] += 0.6 * vigour * np.sin(phase / 2 + 0.3)
    linear[:, 2] += vigour * np.cos(phase) + 0.4 * vigour * np.cos(2 * phase + 1.0)
    pitch = _wander(rng, n, rate_hz, 0.3, 3.0) + 2.0 * np.sin(phase + 1.5)
    return Motion(pitch, _wander(rng, n, rate_hz, 0.3, 3.0), linear)


def ruminating(traits: Traits, rng: np.random.Generator, n: int, rate_hz: float) -> Motion:
    """Chewing near 1 Hz at a small amplitude, pausing about every 50 s to swallow and regurgitate."""
    phase = _phase(rng, n, rate_hz, traits.chew_hz * rng.normal(1, 0.03), 0.03)
    pause = _spells(rng, n, rate_hz, every_s=50, lasts_s=(3.0, 5.0))
    force = traits.chew_g * rng.lognormal(0, 0.2) * (1 - pause)
    closures = np.flatnonzero(np.diff(np.floor(phase / (2 * np.pi))) > 0)
    click = _ring(7.0, 0.06, rate_hz)
    linear = _fidget(rng, n, rate_hz, 0.5 * traits.fidget_g)
    linear[:, 1] += force * np.sin(phase)
    linear[:, 0] += 0.5 * force * np.sin(phase + 0.5)
    linear[:, 2] += 0.4 * force * np.cos(2 * phase) + _placed(n, closures, 2.4 * force[closures], click)
    # The bolus coming up shows as one slow lift of the head.
    pitch = _wander(rng, n, rate_hz, 0.15, 2.0) - 3.0 * pause
    return Motion(pitch, _wander(rng, n, rate_hz, 0.15, 1.8), linear)


def resting(traits: Traits, rng: np.random.Generator, n: int, rate_hz: float) -> Motion:
    """Breathing, aperiodic small movements as strong as chewing, twitches and slow turns of the head."""
    vigour = traits.fidget_g * rng.lognormal(0.15, 0.3)
    twitches = _events(rng, n, rate_hz, 0.3, jitter=0.9)
    twitch = _ring(7.0, 0.06, rate_hz)
    strength = 1.6 * traits.chew_g * rng.lognormal(0, 0.5, len(twitches))
    linear = _fidget(rng, n, rate_hz, vigour)
    linear += _coloured(rng, n, rate_hz, 0.1, 0.7)[:, None] * 0.5 * traits.chew_g * np.array([0.5, 1.0, 0.4])
    linear[:, 2] += _placed(n, twitches, strength, twitch)
    linear[:, 0] += 0.004 * np.sin(_phase(rng, n, rate_hz, 0.45, 0.1))
    turned = _spells(rng, n, rate_hz, every_s=25, lasts_s=(4.0, 12.0))
    pitch = _wander(rng, n, rate_hz, 0.15, 1.5) + rng.uniform(-8, 8) * turned
    return Motion(pitch, _wander(rng, n, rate_hz, 0.15, 1.5) + rng.uniform(-7, 7) * turned, linear)


def drinking(traits: Traits, rng: np.random.Generator, n: int, rate_hz: float) -> Motion:
    """The head held low over water, slow smooth sips, now and then lifted."""
    sips = _events(rng, n, rate_hz, traits.sip_hz, jitter=0.12)
    gulp = _bump(0.9, rate_hz)
    force = traits.sip_g * rng.lognormal(0, 0.25, len(sips))
    linear = _fidget(rng, n, rate_hz, 1.5 * traits.fidget_g)
    linear[:, 0] += _placed(n, sips, force, gulp)
    linear[:, 2] += _placed(n, sips, 0.7 * force, gulp)
    up = _spells(rng, n, rate_hz, every_s=35, lasts_s=(1.5, 3.0))
    pitch = _wander(rng, n, rate_hz, 0.3, 3.8) - 20 * up
    return Motion(pitch, _wander(rng, n, rate_hz, 0.3, 3.8), linear)


BEHAVIOURS: dict[str, Callable[[Traits, np.random.Generator, int, float], Motion]] = {
    "grazing": grazing,
    "walking": walking,
    "ruminating": ruminating,
    "resting": resting,
    "drinking": drinking,
}

# Ear flicks per second, more of them where flies settle on a still animal.
FLICK_HZ = {"grazing": 0.08, "walking": 0.05, "ruminating": 0.12, "resting": 0.15, "drinking": 0.08}


def ear_flicks(
    traits: Traits, behaviour: str, rng: np.random.Generator, n: int, rate_hz: float
) -> NDArray[np.float64]:
    """Acceleration (n, 3) of an ear that flicks: short bursts near 7 Hz of up to about 1 g."""
    flicks = _events(rng, n, rate_hz, FLICK_HZ[behaviour] * traits.flick_scale, jitter=0.9)
    burst = _ring(rng.uniform(6.0, 8.5), 0.12, rate_hz)
    strength = 0.6 * rng.lognormal(0, 0.4, len(flicks))
    direction = rng.normal(0, 1, 3)
    direction /= np.linalg.norm(direction)
    return _placed(n, flicks, strength, burst)[:, None] * direction


def _events(
    rng: np.random.Generator, n: int, rate_hz: float, events_hz: float, jitter: float
) -> NDArray[np.int64]:
    """Sample numbers of a renewal process; jitter is the intervals' coefficient of variation (gamma law)."""
    expected = int(n / rate_hz * events_hz * 1.5) + 20
    shape = 1 / jitter**2
    intervals = rng.gamma(shape, 1 / (shape * events_hz), expected)
    times = np.cumsum(intervals) - intervals[0] * rng.uniform()
    at = (times * rate_hz).astype(np.int64)
    return at[at < n]


def _placed(n: int, at: NDArray[np.int64], amplitudes: Signal1, template: Signal1) -> Signal1:
    """Sum of copies of `template`, one starting at each of `at`."""
    train = np.zeros(n)
    np.add.at(train, at, amplitudes)
    return np.convolve(train, template)[:n]


def _ring(hz: float, decay_s: float, rate_hz: float) -> Signal1:
    """A damped oscillation starting at zero, peak about 1."""
    t = np.arange(int(5 * decay_s * rate_hz)) / rate_hz
    return np.asarray(1.4 * np.exp(-t / decay_s) * np.sin(2 * np.pi * hz * t))


def _bump(width_s: float, rate_hz: float) -> Signal1:
    """A smooth rise and fall of height 1."""
    m = int(width_s * rate_hz)
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(m) / m))


def _phase(rng: np.random.Generator, n: int, rate_hz: float, hz: float, wobble: float) -> Signal1:
    """Phase in radians of an oscillation whose rate wobbles by the fraction `wobble`."""
    rate = hz * (1 + wobble * _coloured(rng, n, rate_hz, 0.0, 0.3))
    return np.asarray(rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.cumsum(np.maximum(rate, 0.2 * hz)) / rate_hz)


def _coloured(rng: np.random.Generator, n: int, rate_hz: float, low_hz: float, high_hz: float) -> Signal1:
    """Gaussian noise of unit variance, band-limited by second-order flanks."""
    # Padded to a fast length, so that the cost does not depend on how a bout's length factors.
    size = 1 << max(int(n - 1).bit_length(), 8)
    hz = np.fft.rfftfreq(size, 1 / rate_hz)
    gain = 1 / (1 + (hz / high_hz) ** 4)
    if low_hz > 0:
        gain *= (hz / low_hz) ** 4 / (1 + (hz / low_hz) ** 4)
    gain[0] = 0
    white = np.fft.rfft(rng.standard_normal(size))
    return np.asarray(np.fft.irfft(white * gain, size)[:n] / np.sqrt(2 * np.sum(gain**2) / size))


def _wander(rng: np.random.Generator, n: int, rate_hz: float, below_hz: float, degrees: float) -> Signal1:
    return degrees * _coloured(rng, n, rate_hz, 0.0, below_hz)


def _fidget(rng: np.random.Generator, n: int, rate_hz: float, rms_g: float) -> NDArray[np.float64]:
    """Movement without rhythm on three axes (n, 3), swelling and fading."""
    swell = np.exp(0.4 * _coloured(rng, n, rate_hz, 0.0, 0.2))
    axes = [_coloured(rng, n, rate_hz, 0.5, 6.0) for _ in range(3)]
    return np.stack(axes, axis=1) * swell[:, None] * rms_g * np.array([0.6, 0.7, 0.5])


def _spells(
    rng: np.random.Generator, n: int, rate_hz: float, every_s: float, lasts_s: tuple[float, float]
) -> Signal1:
    """1 during spells that begin about every `every_s` seconds, 0 between, flanks of a third of a second."""
    begins = _events(rng, n, rate_hz, 1 / every_s, jitter=0.15)
    lengths = (rng.uniform(*lasts_s, len(begins)) * rate_hz).astype(np.int64)
    change = np.zeros(n + 1)
    np.add.at(change, begins, 1.0)
    np.add.at(change, np.minimum(begins + lengths, n), -1.0)
    smooth = max(int(0.33 * rate_hz), 1)
    return np.convolve(np.minimum(np.cumsum(change)[:n], 1.0), np.ones(smooth) / smooth, mode="same")
