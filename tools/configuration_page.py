"""Write docs/configuration.md, the reference of the keys of `asr train`, from the dataclasses."""

from pathlib import Path

from asr.acoustic.run import AcousticRunConfig
from asr.config_reference import as_markdown
from asr.shipped import available_configurations, configuration_path

HEAD = """# Configuration of `asr train`

A configuration is a TOML file: keys of a section such as `train` stand under `[train]`. `asr train --show-config`
prints one of all keys; `--set train.epochs=5` changes a key for a run; the resolved configuration lies in
`OUTPUT/training/config.json`. `--config` takes a file or one that is shipped, by name:

"""

if __name__ == "__main__":
    names = []
    for name in available_configurations():
        lines = configuration_path(name).read_text().splitlines()
        names.append(f"- `{name}`: {' '.join(line[2:] for line in lines if line.startswith('#'))}\n")
    page = HEAD + "".join(names) + "\n" + as_markdown(AcousticRunConfig)
    (Path(__file__).parents[1] / "docs" / "configuration.md").write_text(page)
