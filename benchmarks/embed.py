"""Time to embed person crops with OpenVINO, ours beside the person-reidentification-retail networks, in one run.

python -m benchmarks.embed --peer NETWORK.xml [--weights W …] [--untrained BACKBONE:HxW …] [--int8 KIND:DIR]
    [--engines] [--profile] [--json FILE]

Every network is timed in turn, round after round, so that whatever else the machine does falls on all of them alike;
figures are medians: of processor time with one thread, which other programs hardly lengthen, and of elapsed time with
more. Ratios are to the first peer in the same arithmetic and batch; int8 is compared with the peer in
both, since the peer has no int8. Networks that are not trained cost what trained ones do.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table

from reid_model.backbones import BackboneName
from reid_model.checkpoint import DEFAULT_WEIGHTS, load_weights
from reid_model.datasets import read_dataset
from reid_model.embedder import stack_crops
from reid_model.engines import EngineName, Precision, network_engine
from reid_model.export.convert import require, to_onnx
from reid_model.export.quantise import CROPS, quantise_openvino
from reid_model.network import Gasm, GasmConfig
from reid_model.openvino_core import openvino_core

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
Values = npt.NDArray[np.generic]


@dataclass(eq=False)
class Subject:
    """One network in one arithmetic and batch, and the seconds it took in each round."""

    name: str
    arithmetic: str
    batch: int
    run: Callable[[], object]
    seconds: list[float] = field(default_factory=list)

    @property
    def milliseconds(self) -> float:
        """Median of all rounds."""
        return 1000 * float(np.median(self.seconds))


def compile_for(model: Any, batch: int, precision: Precision, threads: int, *, profile: bool = False) -> Any:
    """An inference request for batches of a fixed size, the best case of every network."""
    require("openvino")

    model = model.clone()
    shape = list(model.inputs[0].partial_shape)
    model.reshape([batch, *(dimension.get_length() for dimension in shape[1:])])
    properties = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    request = openvino_core().compile_model(model, "CPU", {**properties, "PERF_COUNT": profile}).create_infer_request()
    given = model.inputs[0]
    random = np.random.default_rng(0)
    values = random.integers(0, 256, given.shape).astype(given.element_type.to_dtype())
    request.infer({0: values})
    return request


def network_of(name: str) -> tuple[str, Gasm]:
    """A weight file's network, or an untrained one named as `osnet_x1_0:256x128`."""
    backbone, colon, size = name.partition(":")
    if not colon:
        return Path(name).stem, load_weights(Path(name))[0]
    height, width = (int(side) for side in size.split("x"))
    torch.manual_seed(0)
    chosen: BackboneName = backbone  # type: ignore[assignment]
    return name, Gasm(GasmConfig(backbone=chosen, size=(height, width))).eval()


def real_crops(spec: str, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Crops of a training part, evenly chosen."""
    images = read_dataset(spec, "train")
    rows = np.unique(np.linspace(0, len(images) - 1, CROPS).astype(int))
    return stack_crops(list(images.subset(rows).crops()), *size)


def subjects_of(name: str, model: Any, arithmetic: str, batches: list[int], threads: int) -> list[Subject]:
    """A model in both kinds of floating point arithmetic and in every batch."""
    made = []
    for precision in PRECISIONS:
        for batch in batches:
            request = compile_for(model, batch, precision, threads)
            label = precision if arithmetic == "float" else f"{arithmetic}+{precision}"
            made.append(Subject(name, label, batch, request.infer))
    return made


def engine_subjects(name: str, network: Gasm, batches: list[int], threads: int) -> list[Subject]:
    """The same network in each engine as the embedder runs it, reading its input each time."""
    height, width = network.config.size
    made = []
    for engine_name in get_args(EngineName):
        engine = network_engine(network, engine_name, threads)
        for batch in batches:
            stack = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3)).astype(np.uint8)
            made.append(Subject(name, f"f32 {engine_name}", batch, partial(engine, stack, batch)))
            made[-1].run()
    return made


def print_profile(name: str, model: Any, batch: int, threads: int) -> None:
    """Where the time goes, by kind of operation, and what everything outside the backbone takes.

    Args:
        name: Of the network.
        model: With its batch norms folded: an engine that does so itself renames the operations.
        batch: Crops.
        threads: Processor threads.
    """
    request = compile_for(model, batch, "f32", threads, profile=True)
    request.infer()
    kinds: dict[str, float] = defaultdict(float)
    behind = 0.0
    for node in request.profiling_info:
        spent = 1000 * node.real_time.total_seconds()
        kinds[f"{node.node_type} {node.exec_type}"] += spent
        behind += 0.0 if node.node_name.startswith("/backbone") else spent
    total = sum(kinds.values())
    print(f"{name}, batch {batch}, f32: {total:.1f} ms, of which outside the backbone {behind:.1f} ms")
    for kind, spent in sorted(kinds.items(), key=lambda item: -item[1])[:8]:
        print(f"  {100 * spent / total:5.1f} %  {kind}")


def ratio(subject: Subject, subjects: list[Subject], peer: str) -> dict[str, float]:
    """Times as long as the peer: in the same arithmetic; int8 against both."""
    references = {s.arithmetic: s.milliseconds for s in subjects if s.name == peer and s.batch == subject.batch}
    same = subject.arithmetic.rpartition("+")[2].split()[0]
    ratios = {"ratio": subject.milliseconds / references[same]} if same in references else {}
    if "f32" in references:
        ratios["ratio_to_f32"] = subject.milliseconds / references["f32"]
    return ratios


def measure(subjects: list[Subject], rounds: int, clock: Callable[[], float]) -> None:
    """Times all subjects in turn, round after round."""
    for _ in range(rounds):
        for subject in subjects:
            start = clock()
            subject.run()
            subject.seconds.append(clock() - start)


def gather(arguments: argparse.Namespace) -> list[Subject]:
    """Everything to be timed."""
    require("onnx", "openvino")

    core = openvino_core()
    subjects = [
        subject
        for peer in arguments.peer
        for subject in subjects_of(peer.stem, core.read_model(str(peer)), "float", arguments.batch, arguments.threads)
    ]
    for spec in arguments.weights + arguments.untrained:
        name, network = network_of(str(spec))
        model = core.read_model(to_onnx(network).SerializeToString(), b"")
        subjects += subjects_of(name, model, "float", arguments.batch, arguments.threads)
        folded = core.read_model(to_onnx(network, fold=True).SerializeToString(), b"")
        if arguments.profile:
            print_profile(name, folded, max(arguments.batch), arguments.threads)
        if arguments.int8:
            small = quantise_openvino(folded, real_crops(arguments.int8, network.config.size))
            subjects += subjects_of(name, small, "int8", arguments.batch, arguments.threads)
        if arguments.engines:
            subjects += engine_subjects(name, network, arguments.batch, arguments.threads)
    return subjects


def main(given: Sequence[str] | None = None) -> None:
    """Prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, action="append", default=[], help="an OpenVINO network; the first is 1.0")
    parser.add_argument("--weights", type=Path, action="append", default=[])
    parser.add_argument("--untrained", action="append", default=[], metavar="BACKBONE:HxW")
    parser.add_argument("--int8", metavar="KIND:DIR", help="time int8 too; crops that set its ranges")
    parser.add_argument("--batch", type=int, action="append", help="16 and 1 when left out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--engines", action="store_true", help="time torch and ONNX Runtime too")
    parser.add_argument("--profile", action="store_true", help="say where OpenVINO spends its time")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(given)
    arguments.batch = arguments.batch or [16, 1]
    if not arguments.weights and not arguments.untrained:
        arguments.weights, arguments.untrained = [DEFAULT_WEIGHTS], ["osnet_x1_0:256x128", "osnet_x1_0:384x128"]
    torch.set_num_threads(arguments.threads)
    subjects = gather(arguments)
    measure(subjects, arguments.rounds, time.process_time if arguments.threads == 1 else time.perf_counter)
    peer = arguments.peer[0].stem if arguments.peer else ""
    results = []
    for subject in subjects:
        row: dict[str, object] = {"name": f"{subject.name} {subject.arithmetic} batch {subject.batch}"}
        row |= {"ms": round(subject.milliseconds, 2), "ms_per_crop": round(subject.milliseconds / subject.batch, 3)}
        results.append(row | {key: round(value, 2) for key, value in ratio(subject, subjects, peer).items()})
    columns = ("name", "ms", "ms_per_crop", "ratio", "ratio_to_f32")
    table = Table(*columns, box=None)
    for result in results:
        table.add_row(*(str(result.get(column, "")) for column in columns))
    Console(width=120).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"command": "bench embed", "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
