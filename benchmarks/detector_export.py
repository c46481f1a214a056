"""Makes a checkpoint of `benchmarks.detector_train` into weights that the detector runs.

python -m benchmarks.detector_export RUN/last.pt --output DIR/person_openvino_model [--image-size 640]

To ship them: `--output app/weights/person_openvino_model`; the manifest beside them is written too.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn

from app.bundled import NAME, write_manifest
from app.ultralytics_guard import quietly
from benchmarks.detector_train import Training
from reid_model.openvino_core import openvino_core


def name_constants(model: Any, network: nn.Module) -> None:
    """Gives the constants of an OpenVINO model the names that the network has for them.

    Raises:
        ValueError: If a parameter is not among the constants.
    """
    constants: dict[int, list[tuple[Any, np.ndarray[Any, Any]]]] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant" and node.get_element_type().to_string() == "f32":
            values = np.asarray(node.get_data()).reshape(-1)
            constants.setdefault(values.size, []).append((node, values))
    for name, value in network.state_dict().items():
        wanted = value.numpy().reshape(-1)
        same = [pair for pair in constants.get(wanted.size, []) if np.array_equal(pair[1], wanted)]
        if not same:
            raise ValueError(f"{name}: OpenVINO has no constant with its values")
        same[0][0].set_friendly_name(name)
        constants[wanted.size] = [pair for pair in constants[wanted.size] if pair is not same[0]]


def export(network: Any, architecture: str, image_size: int, folder: Path) -> None:
    """Writes an OpenVINO folder in half precision, for any batch and image size.

    Args:
        network: ultralytics' network, trained.
        architecture: The file it was made from.
        image_size: Longer side in pixels where nobody asks for another.
        folder: Its name must end in `_openvino_model`.
    """
    import openvino

    with quietly():
        network = network.float().eval().to(memory_format=torch.contiguous_format).fuse(verbose=False)
    network.requires_grad_(False)
    head = network.model[-1]
    head.export, head.dynamic, head.format = True, True, "openvino"
    example = torch.zeros(1, 3, image_size, image_size)
    openvino_core()  # with its reports switched off
    with torch.no_grad(), quietly():
        network(example)
        model = openvino.convert_model(network, input=[openvino.PartialShape([-1, 3, -1, -1])], example_input=example)
    name_constants(model, network)
    folder.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, str(folder / f"{NAME}.xml"), compress_to_fp16=True)
    metadata = {
        "description": "person detector of crowdtrace",
        "license": "AGPL-3.0",
        "architecture": architecture,
        "task": "detect",
        "stride": int(network.stride.max()),
        "batch": 1,
        "imgsz": [image_size, image_size],
        "names": {0: "person"},
        "channels": 3,
        "end2end": False,
        "dynamic": True,
        "args": {"dynamic": True, "nms": False},
    }
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata, sort_keys=False), encoding="utf-8")
    write_manifest(folder)


def main() -> None:
    """Exports the averaged weights of a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--image-size", type=int, default=640)
    given = parser.parse_args()
    torch.set_num_threads(1)
    training = Training.load(given.checkpoint)
    export(training.average, training.recipe.architecture, given.image_size, given.output)
    size = sum(path.stat().st_size for path in given.output.iterdir())
    seen = training.step * training.recipe.batch
    print(f"{given.output}: {size / 1e6:.2f} MB, {seen} images seen")


if __name__ == "__main__":
    main()
