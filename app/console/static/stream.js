// Pictures of the wall over one WebSocket. Each camera has one question on its way at most, so a slow line or a slow
// machine gets fewer pictures, not older ones.

const AGAIN = 1500;

export class Stream {
  // `got(camera, facts, bitmap)` is called with each picture; `ask(camera)` gives the next question or null.
  constructor({ ask, got, state }) {
    this.ask = ask;
    this.got = got;
    this.state = state;
    this.waiting = new Set();
    this.closed = false;
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/api/wall`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.waiting.clear();
      this.state("open");
    };
    this.socket.onmessage = (message) => this.receive(message.data);
    this.socket.onclose = (event) => {
      if (this.closed) return;
      this.state(event.code === 4401 ? "refused" : event.code === 4429 ? "crowded" : "closed");
      if (event.code !== 4401) this.timer = setTimeout(() => this.open(), AGAIN);
    };
  }

  // Asks for a camera's next picture, unless one is on its way.
  next(camera) {
    if (this.socket.readyState !== WebSocket.OPEN || this.waiting.has(camera)) return;
    const question = this.ask(camera);
    if (question === null) return;
    this.waiting.add(camera);
    this.socket.send(JSON.stringify({ camera, ...question }));
  }

  async receive(data) {
    const length = new DataView(data).getUint32(0);
    const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    let bitmap = null;
    if (!("none" in facts)) {
      bitmap = await createImageBitmap(new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
    }
    this.waiting.delete(facts.camera);
    if (this.closed) bitmap?.close();
    else this.got(facts.camera, facts, bitmap);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket.close();
  }
}
