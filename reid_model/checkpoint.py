"""Weight files: safetensors only, with the network's shape in the header and a hash that names the model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from reid_model.calibration import Calibration
from reid_model.network import Gasm, GasmConfig

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
DEFAULT_WEIGHTS = WEIGHTS_FOLDER / "gasm_osnet_x1_0.safetensors"
SMALL_WEIGHTS = WEIGHTS_FOLDER / "gasm_osnet_x0_25.safetensors"
SHIPPED = {"default": DEFAULT_WEIGHTS, "small": SMALL_WEIGHTS}
"""Names by which shipped weights may be given instead of a path."""

MANIFEST = WEIGHTS_FOLDER / "manifest.json"
"""File names of the shipped weights and their SHA-256."""

CONFIG_KEY = "gasm"
CALIBRATION_KEY = "calibration"
HASH_MARK = "@sha256:"
LEAST_HASH = 8
PICKLES = (b"PK\x03\x04", b"\x80")
"""How files of torch.save begin: zip archives, and bare pickles before them."""


class WeightsError(ValueError):
    """A weight file cannot be used; the message is one line that names the cause and the cure."""


def find_weights(name: Path | str | None) -> Path:
    """The path of weights given as such, or as `default` or `small`; None means the default."""
    return DEFAULT_WEIGHTS if name is None else SHIPPED.get(str(name), Path(name))


def save_weights(network: Gasm, path: Path, calibration: Calibration | None = None) -> None:
    """Writes fp16 weights, whole or not at all.

    Args:
        network: The network.
        path: A .safetensors file.
        calibration: What the network's distances mean, if that is known.
    """
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in network.state_dict().items()
    }
    metadata = {CONFIG_KEY: json.dumps(network.config.as_dict())}
    if calibration is not None:
        metadata[CALIBRATION_KEY] = json.dumps(calibration.as_dict())
    partial = path.with_name(path.name + ".part")
    save_file(tensors, partial, metadata=metadata)
    partial.chmod(0o644)  # safetensors keeps its files to their owner
    partial.replace(path)


def load_weights(path: Path, sha256: str | None = None) -> tuple[Gasm, str]:
    """A network in evaluation mode, and the SHA-256 of its file.

    Nothing is unpickled: a file that is not safetensors is refused. Shipped weights must have the hash that the
    manifest beside them says; any others may be held to one.

    Args:
        path: A .safetensors file. `FILE@sha256:HEX` expects that hash, so that a configuration can name it.
        sha256: The hash expected, in hexadecimal, its first 8 digits or more; None for any.

    Raises:
        WeightsError: If the file is missing, has another hash, is not GASM weights, or does not fit the network it
            describes.
    """
    path, named = _split(path)
    digest = _check_hash(path, sha256 or named)
    metadata, tensors = _read(path)
    try:
        config = json.loads(metadata[CONFIG_KEY])
        config["size"] = tuple(config["size"])
        config["cells"] = tuple(config["cells"]) if config["cells"] is not None else None
        network = Gasm(GasmConfig(**config))
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise WeightsError(
            f"{path}: these weights do not fit the network they describe ({reason}); train them again"
        ) from None
    _check_tensors(path, tensors, network)
    network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    return network.eval(), digest


def load_calibration(path: Path) -> Calibration | None:
    """The calibration stored with weights; None where there is none.

    Args:
        path: As `load_weights` takes it.

    Raises:
        WeightsError: If the file is not GASM weights, or its calibration is not as it must be.
    """
    path, expected = _split(path)
    _check_hash(path, expected)
    text = _read(path, tensors=False)[0].get(CALIBRATION_KEY)
    if text is None:
        return None
    try:
        return Calibration.from_dict(json.loads(text))
    except ValueError as error:
        raise WeightsError(f"{path}: the calibration in its header is damaged ({error}); calibrate it again") from None


def write_manifest(folder: Path = WEIGHTS_FOLDER) -> None:
    """Writes down the hashes of all weights in a folder; to be run when shipped weights change."""
    hashes = {path.name: file_digest(path) for path in sorted(folder.glob("*.safetensors"))}
    partial = folder / (MANIFEST.name + ".part")
    partial.write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / MANIFEST.name)


def _split(path: Path) -> tuple[Path, str | None]:
    """A path that may end with the hash expected of it."""
    name, mark, expected = str(path).rpartition(HASH_MARK)
    if not mark:
        return path, None
    digits = expected.lower()
    if not LEAST_HASH <= len(digits) <= 64 or set(digits) - set("0123456789abcdef"):
        raise WeightsError(
            f"{path}: expected {LEAST_HASH} to 64 hexadecimal digits behind '{HASH_MARK}', given {expected!r}"
        )
    return Path(name), digits


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: If it cannot be read.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check_hash(path: Path, expected: str | None) -> str:
    """The file's SHA-256, which must be the expected one and, for shipped weights, the manifest's."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such weight file; name a .safetensors file of GASM weights, or 'default'")
    try:
        digest = file_digest(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); name GASM weights, or 'default'") from None
    if expected is not None and not digest.startswith(expected.lower()):
        raise WeightsError(
            f"{path}: its SHA-256 is {digest[:16]}…, expected {expected[:16]}…: this is another or a changed file; "
            f"fetch the right one, or correct the hash"
        )
    shipped = _shipped_hash(path)
    if shipped is not None and digest != shipped:
        raise WeightsError(
            f"{path}: its SHA-256 is {digest[:16]}…, {MANIFEST.name} says {shipped[:16]}…: the shipped weights were "
            f"changed or damaged; install crowdtrace again"
        )
    return digest


def _shipped_hash(path: Path) -> str | None:
    manifest = path.parent / MANIFEST.name
    if not manifest.is_file():
        return None
    try:
        known = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = None
    if not isinstance(known, dict):
        raise WeightsError(f"{manifest}: not a list of hashes; install crowdtrace again")
    value = known.get(path.name)
    return None if value is None else str(value)


def _read(path: Path, *, tensors: bool = True) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of GASM weights."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            values = {name: file.get_tensor(name) for name in file.keys()} if tensors else {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        with path.open("rb") as file:
            if file.read(4).startswith(PICKLES):
                raise WeightsError(
                    f"{path}: not a safetensors file but a pickled one, which could run any code when loaded; name "
                    f"GASM weights as .safetensors"
                ) from None
        raise WeightsError(
            f"{path}: not a safetensors file, or only part of one ({error}); name GASM weights, or 'default'"
        ) from None
    if CONFIG_KEY not in metadata:
        raise WeightsError(
            f"{path}: safetensors, but not GASM weights (no '{CONFIG_KEY}' in its header); name GASM weights"
        )
    return metadata, values


def _check_tensors(path: Path, tensors: dict[str, Tensor], network: Gasm) -> None:
    """Sees that the tensors are those of the network, and finite."""
    expected = network.state_dict()
    missing, unknown = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    shapes = sorted(name for name in expected.keys() & tensors.keys() if expected[name].shape != tensors[name].shape)
    for names, fault in ((missing, "missing"), (unknown, "unknown"), (shapes, "of another shape")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise WeightsError(
                f"{path}: these weights do not fit the network they describe ({network.config.backbone}: {names[0]}"
                f"{more} {fault}); they are of another architecture: name other weights, or train them again"
            )
    if not all(torch.isfinite(value).all() for value in tensors.values() if value.is_floating_point()):
        raise WeightsError(f"{path}: the weights hold NaN or infinity; the file is damaged, or its training diverged")
