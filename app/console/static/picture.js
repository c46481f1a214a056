// A camera's picture on a canvas, with boxes that can be clicked and room to draw one.

import { colour } from "./dom.js";

const DRAG = 6; // Pixels of the page from which a press is a drag.

export class Picture {
  // `picked(box, facts)` is called with somebody's box; `drawn(box, facts)` with [left, top, width, height].
  constructor(name, { picked, drawn, able }) {
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.name = name;
    this.able = able;
    this.picked = picked;
    this.drawn = drawn;
    this.facts = null;
    this.bitmap = null;
    this.over = null;
    this.drag = null;
    this.label();
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerup", (event) => this.release(event));
    this.canvas.addEventListener("pointercancel", () => this.stop());
    this.canvas.addEventListener("pointerleave", () => this.hover(null));
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.canvas);
  }

  show(facts, bitmap) {
    this.bitmap?.close();
    this.bitmap = bitmap;
    this.facts = facts;
    this.canvas.style.aspectRatio = `${facts.width} / ${facts.height}`;
    this.label();
    this.draw();
  }

  label() {
    const people = this.facts ? this.facts.boxes.length : 0;
    this.canvas.setAttribute("aria-label", `${this.name}: ${people} ${people === 1 ? "person" : "people"} in the picture`);
  }

  // Where a pointer is, in pixels of the camera.
  at(event) {
    const rect = this.canvas.getBoundingClientRect();
    const { width, height } = this.facts;
    const inside = (value, most) => Math.min(Math.max(value, 0), most);
    return [
      inside(((event.clientX - rect.left) * width) / rect.width, width),
      inside(((event.clientY - rect.top) * height) / rect.height, height),
    ];
  }

  // Of the boxes around a point, the smallest: whoever is in front is usually smaller than the box behind.
  hit([x, y]) {
    const inside = ({ box: [left, top, width, height] }) => x >= left && x <= left + width && y >= top && y <= top + height;
    const area = ({ box }) => box[2] * box[3];
    return this.facts.boxes.filter(inside).sort((a, b) => area(a) - area(b))[0] ?? null;
  }

  press(event) {
    if (!this.facts || event.button !== 0) return;
    this.drag = { page: [event.clientX, event.clientY], from: this.at(event), to: null, facts: this.facts, target: this.hit(this.at(event)) };
    this.canvas.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (!this.facts) return;
    if (!this.drag) return this.hover(this.hit(this.at(event)));
    const [x, y] = this.drag.page;
    if (this.able() && Math.hypot(event.clientX - x, event.clientY - y) > DRAG) this.drag.to = this.at(event);
    if (this.drag.to) this.draw();
  }

  release(event) {
    const { drag } = this;
    this.stop();
    if (!drag) return;
    if (drag.to) {
      const [x1, y1] = drag.from;
      const [x2, y2] = this.at(event);
      const box = [Math.min(x1, x2), Math.min(y1, y2), Math.abs(x2 - x1), Math.abs(y2 - y1)];
      if (box[2] >= 4 && box[3] >= 4) this.drawn(box, drag.facts);
    } else if (drag.target) this.picked(drag.target, drag.facts);
  }

  stop() {
    this.drag = null;
    if (this.facts) this.draw();
  }

  hover(box) {
    const track = box?.track ?? null;
    this.canvas.style.cursor = box ? "pointer" : this.able() ? "crosshair" : "default";
    if (track !== this.over) {
      this.over = track;
      if (this.facts) this.draw();
    }
  }

  draw() {
    const { canvas, facts, bitmap } = this;
    if (!facts || !bitmap || !canvas.clientWidth) return;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round((width * facts.height) / facts.width);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const pen = canvas.getContext("2d");
    pen.drawImage(bitmap, 0, 0, width, height);
    const scale = width / facts.width;
    for (const box of facts.boxes) this.box(pen, box, scale, ratio);
    if (this.drag?.to) {
      const [x1, y1] = this.drag.from;
      const [x2, y2] = this.drag.to;
      pen.setLineDash([6 * ratio, 4 * ratio]);
      pen.strokeStyle = "white";
      pen.lineWidth = 2 * ratio;
      pen.strokeRect(x1 * scale, y1 * scale, (x2 - x1) * scale, (y2 - y1) * scale);
      pen.setLineDash([]);
    }
  }

  box(pen, { box, track, identity }, scale, ratio) {
    const [left, top, width, height] = box.map((value) => value * scale);
    const chosen = track === this.over;
    pen.strokeStyle = colour(identity);
    pen.lineWidth = (chosen ? 3.5 : 2) * ratio;
    pen.strokeRect(left, top, width, height);
    const text = identity === null ? "·" : String(identity);
    pen.font = `600 ${11 * ratio}px system-ui, sans-serif`;
    const room = pen.measureText(text).width + 8 * ratio;
    const y = Math.max(0, top - 15 * ratio);
    pen.fillStyle = colour(identity);
    pen.fillRect(left - pen.lineWidth / 2, y, room, 15 * ratio);
    pen.fillStyle = "#0b1220";
    pen.fillText(text, left + 3 * ratio, y + 11.5 * ratio);
  }

  close() {
    this.observer.disconnect();
    this.bitmap?.close();
    this.bitmap = null;
  }
}
