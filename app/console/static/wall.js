// The wall: every camera's picture; recordings play in time with each other.

import { cameras as knownCameras, get, may, session } from "./api.js";
import { ask, chip, clock, fill, h, toast } from "./dom.js";
import { Picture } from "./picture.js";
import { searchBox, searchPictures } from "./searching.js";
import { Stream } from "./stream.js";

const STATES = {
  recorded: "recorded",
  live: "live",
  connecting: "connecting",
  stalled: "stalled",
  waiting: "reconnecting",
  ended: "ended",
  missing: "not at hand",
};

const IDLE = 100; // Milliseconds between two looks at whether there is something to ask for.
const LOOK = 5000; // And between two looks at the cameras' states, live.

export async function wallPage(main, { query }) {
  const cameras = await get("/api/cameras");
  const wall = new WallPage(cameras, query);
  fill(main, wall.parts());
  wall.begin();
  knownCameras().catch(() => null); // for the page that a click opens
  return () => wall.end();
}

class WallPage {
  constructor(cameras, query) {
    this.tiles = new Map(cameras.map((camera) => [camera.name, new Tile(camera)]));
    this.recorded = session.me.recorded;
    const times = cameras.filter((camera) => camera.first !== null);
    this.first = Math.min(...times.map((camera) => camera.first));
    this.last = Math.max(...times.map((camera) => camera.last));
    if (!Number.isFinite(this.first)) [this.first, this.last] = [0, 0];
    const wanted = Number.parseFloat(query.get("at") ?? "");
    this.time = Number.isFinite(wanted) ? Math.min(Math.max(wanted, this.first), this.last) : this.first;
    this.focus = query.get("camera");
    this.playing = false;
    this.speed = 1;
  }

  parts() {
    const tiles = [...this.tiles.values()];
    this.grid = h("div", { class: `wall n${Math.min(tiles.length, 4)}` }, tiles.map((tile) => tile.node));
    return [
      h("h1", { class: "sr" }, "Wall"),
      h("div", { class: "bar" }, this.recorded && this.transport(), may("operator") && this.upload()),
      tiles.length ? null : h("p", { class: "empty" }, "There is no camera in this gallery."),
      this.grid,
      may("operator") &&
        h("p", { class: "hint" }, "Click somebody to find them elsewhere, or drag a box around them. The numbers under each picture do the same from the keyboard."),
    ];
  }

  transport() {
    this.button = h("button", { class: "primary play", onclick: () => this.play(!this.playing) }, "Play");
    this.range = h("input", {
      type: "range",
      "aria-label": "Time",
      min: this.first,
      max: this.last,
      step: 0.1,
      value: this.time,
      oninput: () => this.seek(Number(this.range.value)),
    });
    this.output = h("output", { class: "time" });
    const speeds = [0.5, 1, 2, 4].map((each) => h("option", { value: each }, `${each} ×`));
    this.choice = h("select", { "aria-label": "Speed", onchange: () => this.faster(Number(this.choice.value)) }, speeds);
    this.choice.value = "1";
    return h("div", { class: "transport" }, this.button, this.range, this.output, this.choice);
  }

  upload() {
    const file = h("input", {
      type: "file",
      class: "sr",
      id: "upload",
      accept: "image/jpeg,image/png",
      multiple: true,
      onchange: () => searchPictures([...file.files]).finally(() => (file.value = "")),
    });
    return h("span", { class: "upload" }, file, h("label", { class: "button", htmlFor: "upload" }, "Search by picture…"));
  }

  begin() {
    this.stream = new Stream({
      ask: (camera) => this.question(camera),
      askAll: () => this.questions(),
      got: (camera, facts, bitmap) => {
        const tile = this.tiles.get(camera);
        if (tile) tile.show(facts, bitmap);
        else bitmap?.close();
        if (this.recorded) this.stream.next(camera);
      },
      state: (state) => {
        for (const tile of this.tiles.values()) tile.link(state);
        if (state === "crowded") toast("Too many browsers watch already; trying again.", { kind: "bad" });
      },
    });
    this.timer = setInterval(() => this.tick(), IDLE);
    if (!this.recorded) {
      this.looking = setInterval(() => this.look(), LOOK);
      this.heard = ({ detail }) => detail.kind.startsWith("camera.") && this.look();
      addEventListener("happening", this.heard);
    }
    this.tick();
    if (this.focus) this.tiles.get(this.focus)?.node.scrollIntoView({ block: "nearest" });
    this.tiles.get(this.focus)?.node.classList.add("chosen");
  }

  end() {
    this.over = true;
    clearInterval(this.timer);
    clearInterval(this.looking);
    removeEventListener("happening", this.heard);
    this.stream.close();
    for (const tile of this.tiles.values()) tile.close();
  }

  now() {
    if (!this.playing) return this.time;
    return Math.min(this.time + ((performance.now() - this.since) / 1000) * this.speed, this.last);
  }

  tick() {
    if (this.recorded) {
      const now = this.now();
      if (this.playing && now >= this.last) this.play(false);
      this.range.value = now;
      this.output.value = `${clock(now)} / ${clock(this.last)}`;
    }
    if (!this.recorded) this.stream.nextAll();
    else for (const name of this.tiles.keys()) this.stream.next(name);
  }

  // What is in view, live; of a page that nobody sees, nothing.
  questions() {
    if (this.recorded || document.hidden) return [];
    return [...this.tiles].filter(([, tile]) => tile.seen).map(([camera, tile]) => ({ camera, width: tile.width(), after: tile.frame }));
  }

  question(camera) {
    const tile = this.tiles.get(camera);
    if (!tile || !tile.seen || tile.camera.state === "missing") return null;
    const width = tile.width();
    const at = Math.round(1000 * this.now()) / 1000;
    if (tile.asked === `${at} ${width}`) return null;
    tile.asked = `${at} ${width}`;
    return { at, width };
  }

  play(on) {
    this.time = this.now();
    if (on && this.time >= this.last) this.time = this.first;
    this.since = performance.now();
    this.playing = on;
    this.button.textContent = on ? "Pause" : "Play";
  }

  seek(time) {
    this.time = time;
    this.since = performance.now();
    this.tick();
  }

  faster(speed) {
    this.time = this.now();
    this.since = performance.now();
    this.speed = speed;
  }

  async look() {
    const cameras = await get("/api/cameras").catch(() => null);
    if (cameras === null || this.over) return;
    for (const [name, tile] of this.tiles) {
      if (cameras.some((camera) => camera.name === name)) continue;
      tile.node.remove();
      tile.close();
      this.tiles.delete(name);
    }
    for (const camera of cameras) {
      const known = this.tiles.get(camera.name);
      if (known) known.update(camera);
      else this.add(new Tile(camera));
    }
  }

  // A camera that came while the page is open.
  add(tile) {
    this.tiles.set(tile.camera.name, tile);
    this.grid.append(tile.node);
  }
}

class Tile {
  constructor(camera) {
    this.camera = camera;
    this.frame = -1;
    this.seen = true;
    this.asked = "";
    this.picture = new Picture(camera.name, {
      able: () => may("operator"),
      picked: (box, facts) => this.search(facts, box.box),
      drawn: (box, facts) => this.search(facts, box),
    });
    this.badge = h("span", { class: `state ${camera.state}` }, STATES[camera.state]);
    this.shown = h("time", { class: "faint" });
    this.note = h("p", { class: "note" }, camera.note);
    this.people = h("ul", { class: "chips", "aria-label": `People in ${camera.name}` });
    this.chips = new Map();
    const canvas = this.picture.canvas;
    canvas.style.aspectRatio = `${camera.width || 16} / ${camera.height || 9}`;
    const numbers = h("button", { class: "quiet small", onclick: () => this.numbers() }, "Box…", h("span", { class: "sr" }, ` in ${camera.name}`));
    this.node = h(
      "section",
      { class: `tile ${camera.state}`, "aria-label": `Camera ${camera.name}` },
      h("header", {}, h("h2", {}, camera.name), this.badge, this.shown, may("operator") && numbers),
      canvas,
      this.note,
      this.people,
    );
    this.watcher = new IntersectionObserver(([entry]) => (this.seen = entry.isIntersecting));
    this.watcher.observe(this.node);
  }

  width() {
    const wanted = this.picture.canvas.clientWidth * (window.devicePixelRatio || 1);
    return Math.min(1920, Math.max(1, Math.round(wanted)));
  }

  show(facts, bitmap) {
    if (!bitmap) {
      this.note.textContent = facts.none;
      return;
    }
    this.note.textContent = this.camera.note;
    this.frame = facts.frame;
    if (!session.me.recorded) this.shown.textContent = clock(facts.time).slice(11);
    this.picture.show(facts, bitmap);
    this.list(facts);
  }

  // Buttons stay the same elements as long as somebody stays, so that focus does.
  list(facts) {
    const there = new Map(facts.boxes.map((box) => [`${box.track}`, box]));
    for (const [key, { node }] of this.chips) {
      if (!there.has(key)) {
        node.remove();
        this.chips.delete(key);
      }
    }
    for (const [key, box] of [...there].sort((a, b) => (a[1].identity ?? 1e9) - (b[1].identity ?? 1e9))) {
      const known = this.chips.get(key);
      if (known && known.identity === box.identity) continue;
      known?.node.remove();
      const search = () => {
        const current = this.picture.facts.boxes.find((each) => `${each.track}` === key);
        if (current) this.search(this.picture.facts, current.box);
      };
      const content = chip(box.identity, this.camera.name);
      const node = h("li", {}, may("operator") ? h("button", { onclick: search }, content) : h("span", { class: "chip" }, content));
      this.people.append(node);
      this.chips.set(key, { node, identity: box.identity });
    }
  }

  search(facts, box) {
    if (!may("operator")) return;
    const [left, top] = box.map((value) => Math.round(value * 10) / 10);
    const right = Math.min(box[0] + box[2], facts.width);
    const bottom = Math.min(box[1] + box[3], facts.height);
    searchBox({ camera: facts.camera, frame: facts.frame, box: [left, top, right - left, bottom - top] });
  }

  async numbers() {
    const { facts } = this.picture;
    if (!facts) return;
    const field = (name, label, max) => ({ name, label, type: "number", min: 0, max, step: 1 });
    const given = await ask({
      title: `A box in ${this.camera.name}`,
      text: `In pixels of the camera, ${facts.width} × ${facts.height}.`,
      fields: [
        field("left", "Left", facts.width),
        field("top", "Top", facts.height),
        field("width", "Width", facts.width),
        field("height", "Height", facts.height),
      ],
      ok: "Search",
    });
    if (given) this.search(facts, [given.left, given.top, given.width, given.height].map(Number));
  }

  update(camera) {
    this.node.classList.replace(this.camera.state, camera.state);
    this.camera = camera;
    this.badge.className = `state ${camera.state}`;
    this.badge.textContent = STATES[camera.state];
    this.note.textContent = camera.note;
  }

  link(state) {
    this.node.classList.toggle("unlinked", state !== "open");
    if (state === "open") this.asked = "";
  }

  close() {
    this.watcher.disconnect();
    this.picture.close();
  }
}
