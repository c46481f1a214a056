// Elements from plain values. Text is always text: nothing from the network is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "g", "rect", "line", "circle", "path", "text", "polyline", "title", "image"]);

// h("button", {class: "x", onclick: f, "aria-label": "…"}, "text", child, …)
export function h(tag, props = {}, ...children) {
  const node = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "htmlFor") node[key] = value;
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
}

export function fill(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

// Recordings without a date begin at 0; live cameras have the time of day.
const DATED = 1e8;

export function clock(time) {
  if (Math.abs(time) < DATED) {
    const minutes = Math.floor(time / 60);
    const seconds = (time - 60 * minutes).toFixed(1).padStart(4, "0");
    return `${minutes}:${seconds}`;
  }
  const date = new Date(1000 * time);
  const pad = (value) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

export function percent(share) {
  if (share === null) return "–";
  const value = 100 * share;
  if (value < 0.1) return "below 0.1 %";
  if (value > 99.9) return "above 99.9 %";
  return `${value < 1 || value > 99 ? value.toFixed(1) : value.toFixed(0)} %`;
}

// A colour for each identity, far from those of its neighbours; on pictures and on pages of either theme.
export function colour(identity) {
  if (identity === null) return "oklch(0.75 0 0)";
  return `oklch(${[0.78, 0.7, 0.84][identity % 3]} 0.16 ${((identity * 137.508) % 360).toFixed(0)})`;
}

export function chip(identity, camera = null) {
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  dot.style.background = colour(identity);
  return [dot, identity === null ? "not linked" : identity, camera && h("span", { class: "sr" }, ` in ${camera}`)];
}

export function toast(text, { kind = "", lasting = false, link = null } = {}) {
  const close = h("button", { class: "quiet", "aria-label": "Dismiss", onclick: () => box.remove() }, "×");
  const box = h("div", { class: `toast ${kind}` }, h("span", {}, text, link && [" ", h("a", { href: link.href }, link.text)]), close);
  document.querySelector("#toasts").append(box);
  if (!lasting) setTimeout(() => box.remove(), 6000);
}

let named = 0;

// A modal question. Fields: {name, label, type, value, required, hint, options}. Gives their values, or null.
export function ask({ title, text = "", fields = [], ok = "OK", danger = false }) {
  return new Promise((resolve) => {
    const id = `ask-${++named}`;
    const inputs = fields.map((field) => [field, input(field, `${id}-${field.name}`)]);
    const form = h(
      "form",
      { method: "dialog" },
      h("h2", { id }, title),
      text && h("p", {}, text),
      inputs.map(([field, node]) =>
        h("p", { class: "field" }, h("label", { htmlFor: node.id }, field.label), node, field.hint && h("small", {}, field.hint)),
      ),
      h(
        "p",
        { class: "actions" },
        h("button", { type: "button", onclick: () => dialog.close("") }, "Cancel"),
        h("button", { class: danger ? "danger" : "primary", value: "ok" }, ok),
      ),
    );
    const dialog = h("dialog", { "aria-labelledby": id, class: "ask" }, form);
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "ok";
      dialog.remove();
      resolve(given ? Object.fromEntries(inputs.map(([field, node]) => [field.name, node.value])) : null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

function input(field, id) {
  if (field.options) {
    const options = field.options.map((each) => h("option", { value: each }, each));
    return h("select", { id, value: field.value }, options);
  }
  const { type = "text", value = "", required = true, min, max, step, autocomplete = "off", pattern, minlength } = field;
  return h("input", { id, type, value, required, min, max, step, autocomplete, pattern, minlength });
}
