"""Rooms simulated by the image method (Allen and Berkley 1979): what a microphone hears of a source in a box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.audio.read import Samples

SPEED_OF_SOUND = 343.0  # m/s
SABINE = 24 * np.log(10.0) / SPEED_OF_SOUND  # s/m


@dataclass(frozen=True)
class Room:
    """A box in metres, where in it source and microphone are, and the time in which its sound falls by 60 dB."""

    size: tuple[float, float, float]
    source: tuple[float, float, float]
    microphone: tuple[float, float, float]
    seconds: float  # T60

    @property
    def reflection(self) -> float:
        """Share of a wave's amplitude that each wall throws back, by Eyring's formula."""
        x, y, z = self.size
        surface, volume = 2 * (x * y + y * z + z * x), x * y * z
        return float(np.exp(-0.5 * SABINE * volume / (surface * self.seconds)))


def room_response(room: Room, sample_rate: int) -> NDArray[np.float32]:
    """Impulse response (time,) from the direct sound, which is 1, to `room.seconds` after it, above 20 Hz.

    What lies below is an artefact of walls that all reflect with one sign.
    """
    from scipy.signal import butter, sosfilt

    response = room_impulses(room, sample_rate)
    filtered = sosfilt(butter(2, 20.0, "highpass", fs=sample_rate, output="sos"), response)
    scaled: Samples = (filtered / filtered[0]).astype(np.float32)
    return scaled


def room_impulses(room: Room, sample_rate: int) -> NDArray[np.float64]:
    """One impulse for each mirror image of the source, shared out between the two samples nearest to its time."""
    direct = float(np.linalg.norm(np.subtract(room.source, room.microphone)))
    reach = direct + room.seconds * SPEED_OF_SOUND
    axes = [
        _images(size, source, microphone, reach)
        for size, source, microphone in zip(room.size, room.source, room.microphone, strict=True)
    ]
    length = int(np.ceil(room.seconds * sample_rate)) + 2
    response = np.zeros(length)
    log_reflection = np.log(room.reflection)
    (x, bounces_x), (y, bounces_y), (z, bounces_z) = axes
    for offset, bounces in zip(x, bounces_x, strict=True):  # one plane of images at a time bounds the memory
        distance = np.sqrt(offset**2 + y[:, None] ** 2 + z[None, :] ** 2)
        near = distance < reach
        distance = distance[near]
        count = (bounces + bounces_y[:, None] + bounces_z[None, :])[near]
        gain = direct / distance * np.exp(log_reflection * count)
        place = np.maximum(distance - direct, 0.0) * sample_rate / SPEED_OF_SOUND
        first = np.floor(place).astype(int)
        response += np.bincount(first, gain * (1 - (place - first)), length)[:length]
        response += np.bincount(first + 1, gain * (place - first), length)[:length]
    return response


def _images(
    size: float, source: float, microphone: float, reach: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Offsets in metres of the source's images from the microphone along one axis, and how often each was reflected."""
    number = np.arange(-int(np.ceil(reach / (2 * size))) - 1, int(np.ceil(reach / (2 * size))) + 2)
    upright, mirrored = 2 * number * size + source, 2 * number * size - source
    offsets = np.concatenate([upright, mirrored]) - microphone
    bounces = np.concatenate([np.abs(2 * number), np.abs(2 * number - 1)])
    near = np.abs(offsets) < reach
    return offsets[near], bounces[near]


def draw_room(seconds: float, random: np.random.Generator) -> Room:
    """A room of 2.5 to 10 by 2.5 to 8 by 2.3 to 4 m, source and microphone anywhere in it but half a metre from walls.

    They are at least 0.3 m apart. The T60 is `seconds`.
    """
    size = random.uniform([2.5, 2.5, 2.3], [10.0, 8.0, 4.0])
    while True:
        source, microphone = random.uniform(0.5, size - 0.5), random.uniform(0.5, size - 0.5)
        if np.linalg.norm(source - microphone) >= 0.3:
            return Room(_point(size), _point(source), _point(microphone), seconds)


def _point(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def in_room(samples: Samples, sample_rate: int, room: Room) -> Samples:
    """The samples as the microphone hears them; length and power are kept, and the direct sound's place."""
    from scipy.signal import fftconvolve

    if not np.any(samples):
        return samples
    heard = fftconvolve(samples, room_response(room, sample_rate))[: len(samples)]
    gain = np.sqrt(np.square(samples, dtype=np.float64).mean() / np.square(heard).mean())
    scaled: Samples = (heard * gain).astype(np.float32)
    return scaled
