"""Write docs/configuration.md, the reference of all keys of configurations, from the dataclasses."""

from pathlib import Path

from asr.acoustic.run import AcousticRunConfig
from asr.activity.run import ActivityRunConfig
from asr.audio.augment import AugmentConfig
from asr.config_reference import as_markdown
from asr.data.joining import JoinConfig
from asr.gmm.run import GaussianRunConfig
from asr.lm.lstm.run import LmRunConfig
from asr.nlp.run import ClassifierRunConfig
from asr.nlp.tagging.run import TaggerRunConfig
from asr.shipped import available_configurations, configuration_path

HEAD = """# Configuration

A configuration is a TOML file: keys of a section such as `train` stand under `[train]`. `--set train.epochs=5`
changes a key for a run. `--show-config`, where a command has it, prints a file of all keys with their defaults and
meanings.

"""
# Titles, what stands below them, the dataclasses, the sections of their keys.
PARTS: tuple[tuple[str, str, type, str], ...] = (
    (
        "asr train",
        "The resolved configuration lies in `OUTPUT/training/config.json`. `--config` takes a file or one that is "
        "shipped, by name:\n\n{shipped}",
        AcousticRunConfig,
        "",
    ),
    (
        "asr train, Gaussian mixtures",
        'With `model.kind = "gaussian"` these are the keys; of `train`, `epochs` alone is used.',
        GaussianRunConfig,
        "",
    ),
    ("asr lm train", "", LmRunConfig, ""),
    ("asr nlp train", "", ClassifierRunConfig, ""),
    ("asr nlp tag train", "", TaggerRunConfig, ""),
    ("asr vad train", "", ActivityRunConfig, ""),
    ("asr data augment", "The section `[augment]`, as of `asr train`.", AugmentConfig, "augment."),
    ("asr data join", "The section `[join]`.", JoinConfig, "join."),
)


def page() -> str:
    """The text of docs/configuration.md."""
    shipped = []
    for name in available_configurations():
        lines = configuration_path(name).read_text().splitlines()
        shipped.append(f"- `{name}`: {' '.join(line[2:] for line in lines if line.startswith('#'))}")
    parts = []
    for title, text, cls, where in PARTS:
        shown = text.format(shipped="\n".join(shipped)) + "\n\n" if text else ""
        parts.append(f"## {title}\n\n{shown}{as_markdown(cls, where)}")
    return HEAD + "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parents[1] / "docs" / "configuration.md").write_text(page())
