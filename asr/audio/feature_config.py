"""Settings of the features that the front end computes; read without torch."""

from __future__ import annotations

from dataclasses import dataclass

from asr.errors import ConfigError

INT16_SCALE = 32768.0  # files hold float samples within [-1, 1]; Kaldi's features are of int16 values
PREEMPHASIS = 0.97
LIFTER = 22.0
DELTA_REACH = 2  # frames to each side, as Kaldi's add-deltas
LOG_FLOOR = 2.0**-23  # the precision of single-precision numbers, as in Kaldi
LIBROSA_FLOOR, LIBROSA_TOP_DB = 1e-10, 80.0
VARIANCE_FLOOR = 1e-5
SPEECH_RANGE = 12.0  # nats (52 dB) below the loudest frame, within which a frame counts as speech
LOWEST_NORMALIZED = -4.0  # standard deviations, at which pauses without any sound are cut off
RANGES = {
    "sample_rate": (1000, 768_000), "num_mel_bins": (2, 1024), "num_ceps": (1, 1024), "frame_length_ms": (1, 1000),
    "frame_shift_ms": (1, 1000), "low_freq": (0, 384_000), "high_freq": (-384_000, 384_000),
}  # fmt: skip
RUNNING_FRAMES = 600  # Kaldi's default window of online cepstral mean normalisation


@dataclass(frozen=True)
class FeatureConfig:
    """What the front end computes. Lengths in milliseconds, frequencies in Hz."""

    kind: str = "fbank"  # fbank or mfcc
    convention: str = "kaldi"  # kaldi or librosa (mfcc as librosa.feature.mfcc, fbank as power_to_db(melspectrogram))
    sample_rate: int = 16000  # of the audio that the model reads
    num_mel_bins: int = 80  # of the filterbank
    num_ceps: int = 13  # cepstral coefficients of mfcc, the first among them
    frame_length_ms: float = 25.0  # of the window
    frame_shift_ms: float = 10.0  # between the beginnings of two frames
    low_freq: float = 20.0  # where the filterbank begins
    high_freq: float = 0.0  # 0 or below: that much under half the sample rate
    deltas: int = 0  # 0, 1 or 2 orders, appended
    # utterance: zero mean and unit variance of each value over an utterance; level: of all its values together, so that
    # its loudness is gone and its spectrum stays, for utterances of a word or two; running: over frames before; speech:
    # as utterance, by mean and variance of the loud frames alone, so that pauses do not matter; none
    normalize: str = "utterance"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("kind", self.kind, ("fbank", "mfcc")),
            ("convention", self.convention, ("kaldi", "librosa")),
            ("normalize", self.normalize, ("none", "utterance", "level", "running", "speech")),
            ("deltas", self.deltas, (0, 1, 2)),
        ):
            if value not in known:
                raise ConfigError(f"features.{name} must be one of {', '.join(map(str, known))}, not {value!r}.")
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:  # true of NaN
                raise ConfigError(f"features.{name} must lie in {low:g}..{high:g}, not {getattr(self, name)}.")
        _ = self.band
        if self.kind == "mfcc" and self.num_ceps > self.num_mel_bins:
            raise ConfigError("features.num_ceps cannot exceed features.num_mel_bins.")
        if self.normalize in ("level", "speech") and (self.kind == "mfcc" or self.deltas):
            raise ConfigError(f"features.normalize = '{self.normalize}' is for filterbanks without deltas.")
        if self.normalize == "speech" and self.convention != "kaldi":
            raise ConfigError("features.normalize = 'speech' needs features.convention = 'kaldi'.")

    @property
    def dim(self) -> int:
        """Values per frame."""
        return (self.num_ceps if self.kind == "mfcc" else self.num_mel_bins) * (1 + self.deltas)

    @property
    def band(self) -> tuple[float, float]:
        """Lowest and highest frequency of the filters in Hz. Raises ConfigError for an impossible band."""
        nyquist = self.sample_rate / 2
        high = self.high_freq if self.high_freq > 0 else nyquist + self.high_freq
        if not 0 <= self.low_freq < high <= nyquist:
            raise ConfigError(f"features: low_freq {self.low_freq} and high_freq {high} must lie in 0..{nyquist} Hz.")
        return self.low_freq, high

    @property
    def frame_length(self) -> int:
        """Samples per frame."""
        return int(self.sample_rate * self.frame_length_ms / 1000)

    @property
    def frame_shift(self) -> int:
        """Samples from frame to frame."""
        return int(self.sample_rate * self.frame_shift_ms / 1000)

    @property
    def fft_size(self) -> int:
        return 1 << (self.frame_length - 1).bit_length()
