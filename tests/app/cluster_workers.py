"""What stands for camera workers in the tests of a cluster."""

from benchmarks.cluster_made import MadeWorker
from tests.app.galleries import features, tracklet


class Worker(MadeWorker):
    """Hands over small tracklets, no two alike: of equals it would be by chance which is found first."""

    @staticmethod
    def make(camera, number):
        return tracklet(number, exemplars=features(2, 2 * number + (camera == "west")))
