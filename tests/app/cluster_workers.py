"""What stands for camera workers in the tests of a cluster."""

from benchmarks.cluster_made import MadeWorker
from tests.app.galleries import features, tracklet


class Worker(MadeWorker):
    """Hands over small tracklets."""

    @staticmethod
    def make(number):
        return tracklet(number, exemplars=features(2, number))
