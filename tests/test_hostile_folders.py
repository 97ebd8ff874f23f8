"""Model folders, archives and caches of strangers: they run nothing, write nothing, and ask for no memory they lack."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from asr.acoustic.checkpoint import load_checkpoint
from asr.backends.onnx_backend import OnnxBackend
from asr.data.download import ARCHIVES, Archive, download_corpus
from asr.decode.build import open_decoder
from asr.errors import AsrError, CheckpointError, ConfigError
from asr.lm.lstm.folder import load_lm, save_lm
from asr.lm.lstm.scorer import LstmScorer
from asr.model_package import ModelPackage
from asr.shipped import model_folder

ROOT = Path(__file__).parents[1]


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A copy of a shipped model's folder."""
    return Path(shutil.copytree(model_folder("digits"), tmp_path / "model"))


def _everything(folder: Path) -> None:
    """Load all of a model folder that can be loaded."""
    for load in (OnnxBackend, load_checkpoint, lambda path: open_decoder(ModelPackage.open(path)), load_lm):
        try:
            load(folder)
        except AsrError:
            continue


@pytest.mark.parametrize(
    "name", ["model.safetensors", "model.onnx", "config.json", "tokens.txt", "lexicon.txt", "lm.arpa.gz", "README.md"]
)
def test_a_pickle_in_place_of_any_file_is_never_unpickled(digits, tmp_path, name):
    trap = tmp_path / "sprung"
    (digits / name).write_bytes(pickle.dumps(Trap(trap)))
    _everything(digits)
    assert not trap.exists()


def test_programs_beside_a_model_are_not_run(digits, tmp_path):
    trap = tmp_path / "sprung"
    for name in ("__init__.py", "conftest.py", "numpy.py", "setup.py", "model.py", "sitecustomize.py", "json.py"):
        (digits / name).write_text(f"open({str(trap)!r}, 'w')")
    code = "import sys; from asr.recognizer.recognizer import Recognizer; import numpy; "
    code += "Recognizer.load(sys.argv[1]).transcribe(numpy.zeros(16000, numpy.float32), rate=16000)"
    subprocess.run([sys.executable, "-c", code, str(digits)], cwd=ROOT, check=True)
    assert not trap.exists()


@pytest.mark.parametrize("lm", ["../outside.arpa", "/etc/passwd", "sub/lm.arpa", ["lm.arpa"], {"a": 1}, 7])
def test_a_language_model_outside_of_the_folder_is_refused(digits, lm):
    config = json.loads((digits / "config.json").read_text())
    config["decoding"]["lm"] = lm
    (digits / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError):
        ModelPackage.open(digits)


def test_loading_writes_nothing_into_the_folder(digits, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = {path.name: path.read_bytes() for path in digits.iterdir()}
    _everything(digits)
    assert {path.name: path.read_bytes() for path in digits.iterdir()} == before


def _graph_of_outside_data(path: Path) -> bytes:
    """An ONNX graph whose only weight lies in a file somewhere else."""
    onnx = pytest.importorskip("onnx")
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", str(path)), ("offset", "0"), ("length", "8")):
        tensor.external_data.add(key=key, value=value)
    output = onnx.helper.make_tensor_value_info("y", 1, [2])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["w"], ["y"])], "g", [], [output], [tensor])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("relative", [False, True])
def test_a_graph_reads_no_file_outside_of_its_folder(digits, tmp_path, monkeypatch, relative):
    (tmp_path / "secret").write_bytes(bytes(8))
    monkeypatch.chdir(tmp_path)
    outside = Path("secret") if relative else tmp_path / "secret"
    (digits / "model.onnx").write_bytes(_graph_of_outside_data(outside))
    with pytest.raises(CheckpointError):
        OnnxBackend(digits)


SIZES = [
    ("hidden_size", 10**9), ("hidden_size", -1), ("hidden_size", 2.5), ("num_layers", 10**8), ("conv_channels", 10**9),
    ("subsampling", 0), ("subsampling", "4"), ("dropout", "NaN"), ("input_size", 10**7),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), SIZES)
def test_sizes_are_bounded_before_memory_is_asked_for(digits, name, value):
    config = json.loads((digits / "config.json").read_text())
    config["model"][name] = value
    (digits / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError):
        load_checkpoint(digits)


FEATURES = [
    ("num_mel_bins", 1), ("num_mel_bins", 10**9), ("frame_length_ms", 1e300), ("frame_length_ms", 0),
    ("sample_rate", 0), ("sample_rate", 10**12), ("frame_shift_ms", 1e-9), ("low_freq", -5), ("high_freq", 10**6),
    ("num_ceps", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), FEATURES)
def test_features_are_bounded(digits, name, value):
    config = json.loads((digits / "config.json").read_text())
    config["model"]["features"][name] = value
    (digits / "config.json").write_text(json.dumps(config))
    for load in (OnnxBackend, load_checkpoint):
        with pytest.raises((CheckpointError, ConfigError)):
            load(digits)


@pytest.mark.parametrize(
    "text", ['{"format": 1e999}', '{"format": NaN}', "[" * 100_000, '{"format": ' + "9" * 5000 + "}", "[]", "\ud800"]
)
def test_configurations_that_no_parser_survives_are_named(digits, text):
    (digits / "config.json").write_bytes(text.encode(errors="surrogatepass"))
    for load in (ModelPackage.open, load_lm):
        with pytest.raises(CheckpointError, match="config"):
            load(digits)


def _language_model(folder: Path, **changes: object) -> Path:
    words = ["</s>", "<unk>", "a", "b"]
    arrays = {
        "embedding.weight": np.zeros((4, 3)), "recurrent.forwards.0.weight_ih_l0": np.zeros((8, 3)),
        "recurrent.forwards.0.weight_hh_l0": np.zeros((8, 2)), "recurrent.forwards.0.bias_ih_l0": np.zeros(8),
        "recurrent.forwards.0.bias_hh_l0": np.zeros(8), "output.weight": np.zeros((4, 2)), "output.bias": np.zeros(4),
    }  # fmt: skip
    config = {"embedding_size": 3, "hidden_size": 2, "num_layers": 1, "cutoffs": []} | changes
    save_lm(folder, {name: value.astype(np.float32) for name, value in arrays.items()}, config, words)
    return folder


@pytest.mark.parametrize(
    "changes",
    [{"hidden_size": 10**6}, {"hidden_size": 3}, {"num_layers": 2}, {"num_layers": "1"}, {"cutoffs": [2]},
     {"cutoffs": [3, 2]}, {"cutoffs": "none"}, {"hidden_size": None}],
)  # fmt: skip
def test_a_language_model_whose_sizes_do_not_agree_is_refused(tmp_path, changes):
    LstmScorer(load_lm(_language_model(tmp_path / "good")))
    with pytest.raises(CheckpointError):
        LstmScorer(load_lm(_language_model(tmp_path / "bad", **changes)))


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    folder = _language_model(tmp_path / "lm")
    save_file({"a": np.array([1.0, np.nan], np.float32)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="no numbers"):
        load_lm(folder)


@pytest.mark.parametrize("kind", ["outside", "absolute", "link", "hard link", "device"])
def test_an_archive_writes_nothing_outside_of_its_folder(tmp_path, kind):
    packed = tmp_path / "corpora" / "a.tar"
    packed.parent.mkdir()
    (tmp_path / "secret").write_text("secret")
    entry = tarfile.TarInfo({"outside": "../out.txt", "absolute": str(tmp_path / "out.txt")}.get(kind, "in/x"))
    entry.type = {"link": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}.get(
        kind, tarfile.REGTYPE
    )
    entry.linkname = "../../secret"
    with tarfile.open(packed, "w") as tar:
        tar.addfile(entry, io.BytesIO())
    import hashlib

    archive = Archive("https://example.invalid/a.tar", "md5", hashlib.md5(packed.read_bytes()).hexdigest(), "in")
    if kind == "absolute":  # such a name is taken to start at the folder
        download_corpus(archive, packed.parent)
    else:
        with pytest.raises(AsrError):
            download_corpus(archive, packed.parent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpora", "secret"]
    assert not any(path.is_symlink() or path.is_char_device() for path in packed.parent.rglob("*"))
    assert ARCHIVES
