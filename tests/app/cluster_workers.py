"""What stands for camera workers in the tests of a cluster."""

from benchmarks.cluster_made import MadeWorker
from tests.app.galleries import features, tracklet


def somebody(number):
    return tracklet(number, exemplars=features(2, number))


class Worker(MadeWorker):
    """Hands over small tracklets."""

    tracklets_a_second = 12.0
    maker = somebody
