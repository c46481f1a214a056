// Why a match matched: both pictures under their grids of cells, lines between the cells that found each other, and
// the same as a table.

import { get } from "./api.js";
import { clock, h, percent, toast } from "./dom.js";

const SHOWN = 12;
const WIDTH = 220;
const GAP = 150;

export async function showReason(found, match) {
  const address = `/api/searches/${found.id}`;
  let reason, left, right;
  try {
    reason = await get(`${address}/matches/${match.rank}/reason`);
    [left, right] = await Promise.all([
      load(`${address}/queries/${reason.query}`),
      match.picture ? load(`${address}/matches/${match.rank}/picture`) : null,
    ]);
  } catch (error) {
    return toast(error.message ?? "a picture cannot be loaded", { kind: "bad" });
  }
  const canvas = h("canvas", { role: "img", "aria-label": "Query and match, with lines between the cells that found each other; the table has the same" });
  const shown = reason.cells.filter((cell) => cell.share > 0).slice(0, SHOWN);
  const view = new View(canvas, left, right, reason, shown);
  const rows = shown.map((cell, place) => row(cell, place, view));
  const rest = reason.cells.filter((cell) => !shown.includes(cell));
  const sum = (cells, name) => cells.reduce((total, cell) => total + cell[name], 0);
  const dialog = h(
    "dialog",
    { class: "wide reason", "aria-labelledby": "reason-title" },
    h("h2", { id: "reason-title" }, `Why ${match.camera}, ${clock(match.time)}: ${percent(match.probability)}`),
    h("p", {}, sentence(reason, match)),
    h(
      "div",
      { class: "why" },
      h("div", {}, canvas, h("p", { class: "hint" }, "Left the query, right the match. The brighter a cell, the more it counts; the greener, the more alike.")),
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "Cells that matched" },
        h(
          "table",
          {},
          h("caption", {}, "What each cell of the query counted"),
          h("thead", {}, h("tr", {}, ["", "Cell", "Found", "Weight", "Alike", "Share"].map((text) => h("th", { scope: "col" }, text || h("span", { class: "sr" }, "Number"))))),
          h(
            "tbody",
            {},
            rows,
            rest.length
              ? h("tr", { class: "rest" }, h("td", {}), h("td", { colspan: "2" }, `${rest.length} more`), h("td", {}, `${(100 * sum(rest, "weight")).toFixed(0)} %`), h("td", {}), h("td", {}, `${sum(rest, "share").toFixed(0)} %`))
              : null,
          ),
        ),
      ),
    ),
    h("p", { class: "actions" }, h("button", { class: "primary", onclick: () => dialog.close() }, "Close")),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  view.draw();
}

function sentence(reason, match) {
  const whole = (100 * reason.global_share).toFixed(0);
  return (
    `Distance ${match.distance.toFixed(2)} (0 alike, 1 unrelated): whole pictures ${reason.global_distance.toFixed(2)}, ` +
    `cells ${reason.local_distance.toFixed(2)}; ${whole} % of it is the whole pictures'.`
  );
}

function row(cell, place, view) {
  const name = ([r, c]) => `row ${r + 1}, col ${c + 1}`;
  return h(
    "tr",
    { onmouseenter: () => view.highlight(place), onmouseleave: () => view.highlight(null) },
    h("td", {}, place + 1),
    h("td", {}, name(cell.query)),
    h("td", {}, name(cell.found)),
    h("td", {}, `${(100 * cell.weight).toFixed(1)} %`),
    h("td", {}, cell.similarity.toFixed(2)),
    h("td", {}, `${cell.share.toFixed(1)} %`),
  );
}

function load(address) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("a picture of the match is not at hand"));
    image.src = address;
  });
}

class View {
  constructor(canvas, left, right, reason, shown) {
    Object.assign(this, { canvas, left, right, reason, shown, chosen: null });
    const tall = (image) => (image ? Math.min(2.6, Math.max(1.6, image.naturalHeight / image.naturalWidth)) : 2);
    this.height = Math.round(WIDTH * Math.max(tall(left), tall(right)));
    const ratio = window.devicePixelRatio || 1;
    canvas.width = (2 * WIDTH + GAP) * ratio;
    canvas.height = this.height * ratio;
    canvas.style.aspectRatio = `${2 * WIDTH + GAP} / ${this.height}`;
    this.ratio = ratio;
  }

  highlight(place) {
    this.chosen = place;
    this.draw();
  }

  cell([row, column], x) {
    const { rows, columns } = this.reason;
    const width = WIDTH / columns;
    const height = this.height / rows;
    return [x + column * width, row * height, width, height];
  }

  draw() {
    const pen = this.canvas.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, 2 * WIDTH + GAP, this.height);
    const x = WIDTH + GAP;
    for (const [image, at] of [[this.left, 0], [this.right, x]]) {
      if (image) pen.drawImage(image, at, 0, WIDTH, this.height);
      else {
        pen.fillStyle = "#444";
        pen.fillRect(at, 0, WIDTH, this.height);
      }
    }
    this.shade(pen, "query", 0);
    this.shade(pen, "found", x);
    const top = Math.max(...this.shown.map((cell) => cell.share), 1e-9);
    [...this.shown.entries()].reverse().forEach(([place, cell]) => {
      if (this.chosen !== null && this.chosen !== place) return;
      this.link(pen, place, cell, cell.share / top, x);
    });
  }

  // Dark where a cell counts little: a query's cells by weight, a match's by the weight of those that found them.
  shade(pen, side, x) {
    const { rows, columns, cells } = this.reason;
    const total = new Float64Array(rows * columns);
    for (const cell of cells) {
      const [r, c] = cell[side];
      if (r < rows && c < columns) total[r * columns + c] += cell.weight;
    }
    const most = Math.max(...total, 1e-9);
    for (let i = 0; i < total.length; i++) {
      const light = Math.sqrt(total[i] / most);
      pen.fillStyle = `rgb(8 12 24 / ${(0.58 * (1 - light)).toFixed(3)})`;
      pen.fillRect(...this.cell([Math.floor(i / columns), i % columns], x));
    }
  }

  link(pen, place, cell, strength, x) {
    const from = this.cell(cell.query, 0);
    const to = this.cell(cell.found, x);
    pen.strokeStyle = `hsl(${(130 * Math.min(1, Math.max(0, cell.similarity / 0.9))).toFixed(0)} 80% 55%)`;
    pen.lineWidth = 2;
    pen.strokeRect(from[0] + 1, from[1] + 1, from[2] - 2, from[3] - 2);
    pen.strokeRect(to[0] + 1, to[1] + 1, to[2] - 2, to[3] - 2);
    pen.globalAlpha = this.chosen === place ? 1 : 0.35 + 0.6 * strength;
    pen.lineWidth = 1 + 4 * strength;
    const [x1, y1] = [from[0] + from[2], from[1] + from[3] / 2];
    const [x2, y2] = [to[0], to[1] + to[3] / 2];
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.bezierCurveTo((x1 + x2) / 2, y1, (x1 + x2) / 2, y2, x2, y2);
    pen.stroke();
    pen.globalAlpha = 1;
    this.number(pen, place + 1, from[0] + 10, from[1] + 10);
    this.number(pen, place + 1, to[0] + to[2] - 10, to[1] + 10);
  }

  number(pen, value, x, y) {
    pen.fillStyle = "rgb(8 12 24 / 0.8)";
    pen.beginPath();
    pen.arc(x, y, 8.5, 0, 7);
    pen.fill();
    pen.fillStyle = "white";
    pen.font = "600 10px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.fillText(value, x, y + 3.5);
  }
}
