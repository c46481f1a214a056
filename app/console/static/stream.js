// Pictures of the wall over one WebSocket. Each camera has one question on its way at most, so a slow line or a slow
// machine gets fewer pictures, not older ones. Live cameras are asked for together: what is new of any of them.

const AGAIN = 1500;
const ALL = Symbol("all cameras");

export class Stream {
  // `got(camera, facts, bitmap)` is called with each picture; `ask(camera)` gives the next question or null, and so does
  // `askAll()` for all live cameras: a list.
  constructor({ ask, askAll, got, state }) {
    this.ask = ask;
    this.askAll = askAll;
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

  // Asks for what is new of all live cameras, unless that is on its way.
  nextAll() {
    if (this.socket.readyState !== WebSocket.OPEN || this.waiting.has(ALL)) return;
    const questions = this.askAll();
    if (!questions.length) return;
    this.waiting.add(ALL);
    this.socket.send(JSON.stringify(questions));
  }

  async receive(data) {
    const pictures = await Promise.all([...parts(data)].map(decode));
    this.waiting.delete(ALL);
    for (const { facts, bitmap } of pictures) {
      this.waiting.delete(facts.camera);
      if (this.closed) bitmap?.close();
      else this.got(facts.camera, facts, bitmap);
    }
    if (!this.closed) this.nextAll();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    // One that is closed before it is open is an error to browsers.
    if (this.socket.readyState === WebSocket.CONNECTING) this.socket.addEventListener("open", () => this.socket.close());
    else this.socket.close();
  }
}

// Each picture of a message: the length of its JSON, JSON, JPEG.
function* parts(data) {
  const view = new DataView(data);
  for (let place = 0; place < data.byteLength; ) {
    const length = view.getUint32(place);
    const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(data, place + 4, length)));
    place += 4 + length;
    yield { facts, jpeg: new Uint8Array(data, place, facts.bytes) };
    place += facts.bytes;
  }
}

async function decode({ facts, jpeg }) {
  const bitmap = "none" in facts ? null : await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  return { facts, bitmap };
}
