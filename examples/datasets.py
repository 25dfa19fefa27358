"""Real data for the examples: found on disk, or shipped by scikit-learn. Nothing is downloaded."""

from __future__ import annotations

import gzip
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Digits:
    """Images as rows of floats in 0..1, labels 0..9."""

    name: str
    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    side: int


def load_digits(folder: str | None = None) -> Digits:
    """MNIST from ``folder``, ``$SYMTENSOR_DATA`` or ``../shared/data/mnist``; else scikit-learn's 1,797 digits.

    A folder that was named and holds no MNIST is an error; the files are the four idx files, gzipped or not.
    """
    if folder is not None:
        return _mnist(Path(folder))
    for place in filter(None, (os.environ.get("SYMTENSOR_DATA"), str(HERE.parent.parent / "shared/data"))):
        for path in (Path(place), Path(place) / "mnist"):
            if _idx_file(path, "train-images") is not None:
                return _mnist(path)
    return _sklearn_digits()


def _idx_file(folder: Path, stem: str) -> Path | None:
    found = sorted(folder.glob(f"{stem}*ubyte*")) if folder.is_dir() else []
    return found[0] if found else None


def read_idx(path: Path) -> np.ndarray:
    """An array from a file in the idx format, gzipped or not; ValueError where the file is not one."""
    raw = path.read_bytes()
    data = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is no idx file of bytes")
    rank = data[3]
    shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * rank)
    if values.size != int(np.prod(shape)):
        raise ValueError(f"{path} is cut off: {values.size} values for shape {shape}")
    return values.reshape(shape)


def _mnist(folder: Path) -> Digits:
    parts = []
    for stem in ("train-images", "train-labels", "t10k-images", "t10k-labels"):
        path = _idx_file(folder, stem)
        if path is None:
            raise SystemExit(f"no {stem}-idx*-ubyte[.gz] in {folder}: name a folder that holds the four MNIST files")
        parts.append(read_idx(path))
    train_x, train_y, test_x, test_y = parts
    side = train_x.shape[1]

    def scale(images: np.ndarray) -> np.ndarray:
        return (images.reshape(len(images), -1) / np.float32(255)).astype("float32")

    return Digits("MNIST", scale(train_x), train_y.astype("int32"), scale(test_x), test_y.astype("int32"), side)


def _sklearn_digits() -> Digits:
    from sklearn.datasets import load_digits as load

    bunch = load()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    x, y = (bunch.data[order] / 16).astype("float32"), bunch.target[order].astype("int32")
    return Digits("scikit-learn digits", x[:1500], y[:1500], x[1500:], y[1500:], 8)


@dataclass(frozen=True)
class Text:
    """Texts as rows of symbol numbers, and the symbols by number."""

    name: str
    symbols: list[str]
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def load_shakespeare(file: str | None = None) -> Text:
    """Tiny Shakespeare, character by character, from ``file``, ``$SYMTENSOR_DATA`` or ``../shared/data``: nine tenths
    to train, the rest for validation and test. Any other text file will do as well."""
    text = _read_text(Path(file) if file else _found("tiny-shakespeare", "tiny-shakespeare.txt"))
    symbols = sorted(set(text))
    number = {symbol: k for k, symbol in enumerate(symbols)}
    ids = np.array([number[symbol] for symbol in text], "int32")
    a, b = len(ids) * 18 // 20, len(ids) * 19 // 20
    return Text(Path(file).name if file else "Tiny Shakespeare", symbols, ids[:a], ids[a:b], ids[b:])


def load_treebank(folder: str | None = None) -> Text:
    """The Penn Treebank words (Mikolov's files) from ``folder``, ``$SYMTENSOR_DATA`` or ``../shared/data``; each line
    ends with ``<eos>``."""
    parts = []
    for stem in ("train", "valid", "test"):
        name = f"ptb.{stem}.txt"
        path = _text_file(Path(folder), name) if folder else _found("ptb", name)
        if path is None:
            raise SystemExit(f"no {name}[.gz] in {folder}: name a folder that holds ptb.train.txt, ptb.valid.txt and "
                             "ptb.test.txt")
        parts.append(" <eos> ".join([*_read_text(path).rstrip("\n").split("\n"), ""]).split())
    symbols = sorted(set().union(*parts))
    number = {word: k for k, word in enumerate(symbols)}
    return Text("Penn Treebank", symbols, *(np.array([number[word] for word in part], "int32") for part in parts))


def _text_file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


def _found(folder: str, name: str) -> Path:
    for place in filter(None, (os.environ.get("SYMTENSOR_DATA"), str(HERE.parent.parent / "shared/data"))):
        for path in (Path(place), Path(place) / folder):
            found = _text_file(path, name)
            if found is not None:
                return found
    raise SystemExit(f"{name}[.gz] not found: set SYMTENSOR_DATA to the folder that holds {folder}/, or use --data")


def _read_text(path: Path) -> str:
    raw = path.read_bytes()
    return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8")
