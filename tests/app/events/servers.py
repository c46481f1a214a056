"""Real receivers for tests: a mosquitto, and a web server that answers as told."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.rtsp.running import free_port


def eventually(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Waits until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.02)


class Broker:
    """A mosquitto on a port of its own, which keeps its port over restarts."""

    def __init__(self, folder: Path, password: str | None = None) -> None:
        self.port = free_port()
        self._settings = folder / "mosquitto.conf"
        lines = ["user root", f"listener {self.port} 127.0.0.1", "max_queued_messages 10000"]
        if password is None:
            lines.append("allow_anonymous true")
        else:
            users = folder / "users"
            subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), "ann", password], check=True)
            users.chmod(0o644)
            lines += ["allow_anonymous false", f"password_file {users}"]
        self._settings.write_text("\n".join(lines) + "\n")
        folder.chmod(0o755)
        self.start()

    @staticmethod
    def missing() -> bool:
        return shutil.which("mosquitto") is None and not shutil.which("mosquitto", path="/usr/sbin")

    def start(self) -> None:
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = subprocess.Popen([program, "-c", str(self._settings)], stderr=subprocess.DEVNULL)
        eventually(self._answers)

    def _answers(self) -> bool:
        probe = paho.Client(CallbackAPIVersion.VERSION2)
        try:
            probe.connect("127.0.0.1", self.port)
        except OSError:
            return False
        probe.disconnect()
        return True

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class Subscriber:
    """Hears everything below a topic; `retained` is what was there already."""

    def __init__(self, broker: Broker, topic: str = "#") -> None:
        self.heard: list[tuple[str, str]] = []
        self.retained: dict[str, str] = {}
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._ready = threading.Event()
        self._client.on_connect = lambda client, *rest: self._subscribe(client, topic)
        self._client.on_subscribe = lambda *rest: self._ready.set()
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert self._ready.wait(10)

    @staticmethod
    def _subscribe(client: paho.Client, topic: str) -> None:
        client.subscribe(topic, qos=1)

    def _on_message(self, client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        text = message.payload.decode()
        if message.retain:
            self.retained[message.topic] = text
        self.heard.append((message.topic, text))

    def bodies(self) -> list[Any]:
        return [json.loads(text) for _, text in self.heard if text.startswith("{")]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Web:
    """Takes what is posted, and answers with the next of `answers`, or 200."""

    def __init__(self, answers: Sequence[int] = ()) -> None:
        self.answers, self.posted = list(answers), list[bytes]()
        self.headers: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                code = outer.answers.pop(0) if outer.answers else 200
                if code == 200:
                    outer.posted.append(body)
                    outer.headers.append(dict(self.headers))
                self.send_response(code)
                if code in (301, 302):
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, *rest: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
