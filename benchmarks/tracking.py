"""Our tracker beside its peers on the same boxes: accuracy, identity after gaps, and speed.

python -m benchmarks.tracking --sequence DIR … [--peers-python PATH] [--json FILE]
python -m benchmarks.tracking --video DIR … [--detector WEIGHTS] [--peers-python PATH [--osnet FILE]] [--json FILE]
python -m benchmarks.tracking --speed [--rounds N] [--peers-python PATH] [--json FILE]

`--sequence` tracks det/det.txt of MOT sequences without pictures. The sequences of `CHOSEN` are those on which settings
may be chosen; the mean of the others, `REPORTED`, is what is published. `--video` tracks what a detector finds in
sequences with pictures; the boxes are the same for all and are kept in the output folder, to be removed when the
weights of a name have changed. Sequences may be the cameras of a simulated scene, where people are out of sight for
long and the truth knows how much of them shows. There ours runs by boxes alone and with appearance, within the
tracker's budget of crops, and BoxMOT's BoT-SORT and BoostTrack embed every box with `--osnet`. `--speed` associates a
synthetic crowd with supplied features, and nothing else; its `ratio` is the processor time of 600 boxes over that of
156.

Columns: `reached` is IDF1 over that of perfect association of the same boxes: each box that overlaps a person by
half, one-to-one, has their number; of the other boxes those of score 0.5 or more stay as false positives. `same_1s`
is the share of people who have their number again within a second after a gap of one second or longer (see
trackers/gaps.py), of `gaps_1s` gaps. Truth says how much of a person shows in MOT16, MOT17, MOT20 and simulated
sequences; elsewhere a person is out of sight where the truth has no row. `fps` is of the tracking step alone, with
the embedding and the camera-motion compensation where a tracker does them, by elapsed time; `processor_fps` is by
processor time, which other programs hardly lengthen; `tracking_fps` leaves the embedding out, of ours. All run with
one thread when OMP_NUM_THREADS=1 is set. Tracks are scored as given frame by frame, without looking ahead. Over several
sequences scores are means, switches and gaps sums, and speeds those of all frames together.

Peers have their packages' published settings: ultralytics' and BoxMOT's configuration files, roboflow's defaults. Those
of roboflow and BoxMOT run in an environment of their own, since `trackers` is also roboflow's name, made from the
project's folder by

    python -m venv PEERS
    .venv/bin/python -c "import site; print(site.getsitepackages()[0])" > PEERS/lib/python3.11/site-packages/main.pth
    PEERS/bin/pip install --no-deps trackers==2.6.1 boxmot==25.0.0

and given as `--peers-python PEERS/bin/python`. A peer without tracks is reported as failed, with the reason.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import cv2
import torch
from rich.console import Console
from rich.table import Table

from app import __version__
from app.config import Config
from app.errors import InputError
from app.files import check_target, prepare_folder, write_json
from app.settings import load_config
from benchmarks import tracking_speed
from benchmarks.tracking_boxes import Boxes, detected_boxes, names_of, own_boxes, sequence_folders
from benchmarks.tracking_run import ULTRALYTICS, Failure, Run, run_ours, run_peer, run_ultralytics
from benchmarks.tracking_scores import Figures, Judge, Result, together
from reid_model.checkpoint import WeightsError, find_weights
from reid_model.embedder import Embedder
from trackers.evaluation import SequenceError

CHOSEN = ("ADL-Rundle-8", "ETH-Bahnhof", "PETS09-S2L1", "MOT17-02")
REPORTED = ("KITTI-17", "TUD-Campus", "Venice-2", "MOT17-04")
PEERS = (
    "roboflow SORT",
    "roboflow ByteTrack",
    "roboflow OC-SORT",
    "BoxMOT ByteTrack",
    "BoxMOT OC-SORT",
    "BoxMOT BoT-SORT",
    "BoxMOT BoostTrack",
)
EMBEDDING = ("BoxMOT BoT-SORT", "BoxMOT BoostTrack")

Tracked = list[Run | Failure]
"""Of each sequence."""


def ours(boxes: list[Boxes], config: Config, embedder: Embedder | None) -> Iterator[Tracked]:
    """Our tracker by boxes alone, and with appearance where there is an embedder."""
    yield [run_ours("crowdtrace, boxes only", each, config.tracker, None) for each in boxes]
    if embedder is not None:
        yield [run_ours("crowdtrace, appearance", each, config.tracker, embedder) for each in boxes]


def peers(boxes: list[Boxes], python: Path | None, osnet: Path | None) -> Iterator[Tracked]:
    """All peers."""
    for name in ULTRALYTICS:
        yield [run_ultralytics(name, each) for each in boxes]
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for each in boxes:
            files.append((Path(folder) / f"{each.name}.npz", each.video))
            each.save(files[-1][0])
        for name in PEERS:
            yield run_peer(python, name, files)
        for name in EMBEDDING if any(each.video for each in boxes) else ():
            if osnet is None:
                yield [Failure(f"{name}, OSNet", "left out: --osnet was not given")] * len(boxes)
            else:
                yield run_peer(python, name, files, osnet, label=f"{name}, {osnet.stem}")


def compare(boxes: list[Boxes], runs: Iterator[Tracked]) -> list[Figures]:
    """Figures of all trackers on all sequences, then over sets of sequences."""
    judges = [Judge(each) for each in boxes]
    trackers = [[judge.perfect for judge in judges]]
    for tracked in runs:
        trackers.append([judge.figures(run) for judge, run in zip(judges, tracked, strict=True)])
        print(f"done: {trackers[-1][0].tracker}", file=sys.stderr)
    figures = [found[number] for number in range(len(boxes)) for found in trackers]
    for name, members in sets_of([each.name for each in boxes]).items():
        figures += [together(name, [each for each in found if each.sequence in members]) for found in trackers]
    return figures


def sets_of(names: list[str]) -> dict[str, list[str]]:
    """Sets of sequences of which means are given: those complete, or all of several others."""
    sets = {"mean of chosen": list(CHOSEN), "mean of reported": list(REPORTED)}
    complete = {name: members for name, members in sets.items() if set(members) <= set(names)}
    return complete or ({"mean": names} if len(names) > 1 else {})


def print_results(results: list[Result]) -> None:
    """One table for each sequence or set; what failed stands below it with its reason."""
    console = Console(width=160)
    for group in dict.fromkeys(result.get("sequence") for result in results):
        rows = [result for result in results if result.get("sequence") == group]
        hidden = {"sequence", "name" if group else "tracker"}
        columns = [key for key in max(rows, key=len) if key not in hidden and key != "failed"]
        table = Table(*columns, box=None, title=None if group is None else str(group), title_justify="left")
        for row in rows:
            if "failed" not in row:
                table.add_row(*("–" if row[key] is None else str(row[key]) for key in columns))
        console.print(table)
        for row in rows:
            if "failed" in row:
                print(f" {row.get('tracker') or row['name']}: failed: {row['failed']}")
        print()


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV and torch with one thread."""
    before = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    yield
    cv2.setNumThreads(before[0])
    torch.set_num_threads(before[1])


def boxes_of(arguments: argparse.Namespace, config: Config) -> list[Boxes]:
    """The boxes of the sequences asked for."""
    folders = sequence_folders(arguments.sequence or arguments.video)
    named = list(zip(folders, names_of(folders), strict=True))
    if arguments.sequence:
        return [own_boxes(folder, name) for folder, name in named]
    prepare_folder(arguments.output)
    return [detected_boxes(folder, name, config.detector, arguments.output) for folder, name in named]


def measure(arguments: argparse.Namespace) -> list[Result]:
    """What the arguments ask for."""
    if arguments.speed:
        return tracking_speed.measure(arguments.rounds, arguments.peers_python)
    config = load_config(None, [f"detector.weights={arguments.detector}", *arguments.set])
    boxes = boxes_of(arguments, config)
    embedder = Embedder(find_weights(config.embedder.weights), "cpu", threads=1) if arguments.video else None
    tracked = chain(ours(boxes, config, embedder), peers(boxes, arguments.peers_python, arguments.osnet))
    return [figures.result() for figures in compare(boxes, tracked)]


def main(given: Sequence[str] | None = None) -> None:
    """Prints the tables and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--sequence", type=Path, nargs="+", help="sequences with det/det.txt, or a folder of them")
    mode.add_argument("--video", type=Path, nargs="+", help="sequences with pictures, or a folder of them")
    mode.add_argument("--speed", action="store_true", help="association of a synthetic crowd")
    parser.add_argument("--detector", default="bundled", help="weights as in detector.weights: an OpenVINO folder, …")
    parser.add_argument("--osnet", type=Path, help="torchreid weights with which BoxMOT embeds; its name says which")
    parser.add_argument("--peers-python", type=Path, help="python of the environment of the roboflow and BoxMOT peers")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as tracker.gate=5")
    parser.add_argument("--rounds", type=int, default=3, help="runs of --speed of which medians are taken")
    parser.add_argument("--output", type=Path, default=Path("runs/tracking"), help="folder for detected boxes")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(given)
    try:
        check_target(arguments.json)
        with one_thread():
            results = measure(arguments)
        print_results(results)
        if arguments.json:
            write_json(arguments.json, {"command": "bench tracking", "version": __version__, "results": results})
    except (InputError, SequenceError, WeightsError) as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
