"""What runs a network on a stack of crops: torch, OpenVINO or ONNX Runtime, all alike from outside."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch

from reid_model.export.convert import installed, require, to_onnx
from reid_model.export.graph import INPUT, OUTPUTS
from reid_model.features import FloatArray
from reid_model.network import Gasm
from reid_model.openvino_core import openvino_core

ImageArray = npt.NDArray[np.uint8]
Outputs = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
EngineName = Literal["torch", "openvino", "onnxruntime"]
Precision = Literal["f32", "bf16"]


class Engine(Protocol):
    """A network ready to run.

    Attributes:
        name: What runs it.
        any_shape: Whether it takes crops of another height and width than the network's own.
    """

    name: EngineName
    any_shape: bool

    def __call__(self, stack: ImageArray, batch: int) -> Outputs:
        """Global, local, saliency and mass of crops.

        Args:
            stack: RGB crops of one size, `(n, H, W, 3)`, n ≥ 1.
            batch: Most crops in one forward pass.
        """
        ...


def join(parts: list[Outputs]) -> Outputs:
    """The outputs of several batches as one."""
    if len(parts) == 1:
        return parts[0]
    global_, local, saliency, mass = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return global_, local, saliency, mass


def slices(count: int, batch: int) -> list[slice]:
    """The rows of each batch."""
    return [slice(start, start + batch) for start in range(0, count, batch)]


class TorchEngine:
    """The network itself, on the CPU or a GPU.

    Args:
        network: In evaluation mode.
        device: `cpu`, `cuda` or `cuda:N`. Processor threads are torch's own setting, one for the whole process.
    """

    name: EngineName = "torch"
    any_shape = True

    def __init__(self, network: Gasm, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, stack: ImageArray, batch: int) -> Outputs:
        """See `Engine`."""
        return join([self._forward(stack[rows]) for rows in slices(len(stack), batch)])

    @torch.inference_mode()
    def _forward(self, stack: ImageArray) -> Outputs:
        pixels = torch.from_numpy(stack).to(self.device).permute(0, 3, 1, 2)
        global_, local, saliency, mass = (x.float().cpu().numpy() for x in self.network(pixels.float() / 255))
        return global_, local, saliency, mass


class OpenVinoEngine:
    """A network compiled for the CPU by OpenVINO.

    A single stream with all threads gives the shortest wait for one batch. Many batches at once are spread over one
    stream a thread, which wastes no time on threads waiting for each other at every layer.

    Args:
        model: An .xml or .onnx file, or the bytes of an ONNX model.
        threads: Processor threads.
        precision: Arithmetic of what is not int8: `f32`, or `bf16` on processors that have it (their vectors differ
            in the third decimal).

    Raises:
        reid_model.export.convert.ExportError: If openvino is not installed.
    """

    name: EngineName = "openvino"
    any_shape = False

    def __init__(self, model: Path | bytes, threads: int = 1, precision: Precision = "f32") -> None:
        require("openvino")
        self._core = openvino_core()
        self._model = (
            self._core.read_model(model, b"") if isinstance(model, bytes) else self._core.read_model(str(model))
        )
        self._threads, self._precision = threads, precision
        self._single = self._compile(streams=1).create_infer_request()
        self._queue: Any = None
        self._ready: dict[int, Any] = {}
        self._lock = threading.Lock()

    def prepare(self, batch: int) -> None:
        """Compiles the network once for each number of crops in a pass, up to `batch`.

        One that is given another number than before works out all its shapes anew: 3 to 5 ms, where a crop takes 4 to
        6. Each holds its weights, about 30 MB of the default network. The results are the same bit for bit.

        Args:
            batch: Most crops in one forward pass from now on, ≥ 1.
        """
        with self._lock:
            made = range(len(self._ready) + 1, batch + 1)
            self._ready |= {count: self._compile(streams=1).create_infer_request() for count in made}

    def _compile(self, streams: int) -> Any:
        properties = {
            "INFERENCE_PRECISION_HINT": self._precision,
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": streams,
            # A thread bound to a core waits for whatever else runs there, such as the detector.
            "ENABLE_CPU_PINNING": False,
        }
        return self._core.compile_model(self._model, "CPU", properties)

    def __call__(self, stack: ImageArray, batch: int) -> Outputs:
        """See `Engine`."""
        parts = slices(len(stack), batch)
        with self._lock:  # a request holds its own inputs and outputs
            if not self._ready and self._threads > 1 and len(parts) >= 2 * self._threads:
                return join(self._spread(stack, parts))
            return join([self._one(stack[rows]) for rows in parts])

    def _one(self, stack: ImageArray) -> Outputs:
        request = self._ready.get(len(stack), self._single)
        request.infer({INPUT: stack})
        return _outputs(request)

    def _spread(self, stack: ImageArray, parts: list[slice]) -> list[Outputs]:
        if self._queue is None:
            from openvino import AsyncInferQueue

            self._queue = AsyncInferQueue(self._compile(streams=self._threads), self._threads)
        results: dict[int, Outputs] = {}

        def keep(request: Any, number: int) -> None:
            results[number] = _outputs(request)

        self._queue.set_callback(keep)
        for number, rows in enumerate(parts):
            self._queue.start_async({INPUT: stack[rows]}, number)
        self._queue.wait_all()
        return [results[number] for number in range(len(parts))]


def _outputs(request: Any) -> Outputs:
    """Copies of a request's outputs, whose memory it uses again."""
    global_, local, saliency, mass = (np.array(request.get_tensor(name).data, np.float32) for name in OUTPUTS)
    return global_, local, saliency, mass


class OnnxEngine:
    """A network run by ONNX Runtime on the CPU.

    Args:
        model: An .onnx file, or its bytes.
        threads: Processor threads.

    Raises:
        reid_model.export.convert.ExportError: If onnxruntime is not installed.
    """

    name: EngineName = "onnxruntime"
    any_shape = False

    def __init__(self, model: Path | bytes, threads: int = 1) -> None:
        require("onnxruntime")
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # A thread that spins while it waits takes its core from the detector.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        source = model if isinstance(model, bytes) else str(model)
        self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    def __call__(self, stack: ImageArray, batch: int) -> Outputs:
        """See `Engine`."""
        parts = [self._session.run(list(OUTPUTS), {INPUT: stack[rows]}) for rows in slices(len(stack), batch)]
        return join([(global_, local, saliency, mass) for global_, local, saliency, mass in parts])


def best_cpu_engine(precision: Precision = "f32") -> EngineName:
    """The engine for a network in memory: the best of those installed.

    Milliseconds a crop in batches of changing size and one thread, torch, OpenVINO and ONNX Runtime: 6.4, 3.1 and 1.9
    for osnet_x0_25 at 256×128; osnet_x1_0 4.0 and 3.1 at 128×64, 14.0 and 13.3 at 256×128 for the latter two. OpenVINO
    works out every operation's shape again in each call, which weighs with small networks; it alone has bf16, at half
    the time, and many batches at once are spread over the cores.
    """
    preferred: tuple[EngineName, ...] = ("openvino",) if precision == "bf16" else ("openvino", "onnxruntime")
    return next((name for name in preferred if installed("onnx", name)), "torch")


def fast_precision() -> Precision:
    """bf16 where OpenVINO is installed and the processor itself multiplies bfloat16, else f32."""
    if not installed("openvino"):
        return "f32"
    return "bf16" if "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def network_engine(network: Gasm, name: EngineName, threads: int, precision: Precision = "f32") -> Engine:
    """Runs a network in memory on the CPU.

    Raises:
        reid_model.export.convert.ExportError: If a package it needs is not installed.
    """
    if name == "torch":
        return TorchEngine(network)
    data = to_onnx(network).SerializeToString()
    return OpenVinoEngine(data, threads, precision) if name == "openvino" else OnnxEngine(data, threads)
