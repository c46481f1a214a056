"""That ids increase in the order in which events are published, whoever publishes."""

import threading
import time

from app.events import new_event
from app.live.telling import Teller
from app.metrics import Metrics


class Kept:
    def __init__(self):
        self.ids = []

    def publish(self, event):
        self.ids.append(event.id)


def test_ids_increase_though_threads_publish_at_once():
    kept = Kept()
    teller = Teller(kept, Metrics(), time.time)
    late = new_event("system.started", 0.0)
    teller.publish(new_event("system.recovered", 1.0))
    teller.publish(late)

    def publish():
        for _ in range(300):
            event = new_event("system.slowed", 2.0)
            time.sleep(0)  # somebody else may be quicker
            teller.publish(event)

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept.ids == sorted(set(kept.ids))
    assert len(kept.ids) == 2 + 4 * 300
