// Everybody in the gallery, and one person's page.

import { call, get, may, post, session } from "./api.js";
import { ask, chip, clock, fill, h, toast } from "./dom.js";
import { searchIdentity } from "./searching.js";
import { floor, timeline } from "./timeline.js";

const PAGE = 50;

export async function peoplePage(main, { query }) {
  const offset = Math.max(0, Number.parseInt(query.get("from") ?? "0", 10) || 0);
  const { total, people } = await get(`/api/people?offset=${offset}&limit=${PAGE}`);
  const link = (from, text) => h("a", { class: "button", href: `#/people?from=${from}` }, text);
  fill(
    main,
    h("h1", {}, `People (${total})`),
    people.length
      ? h(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": "People" },
          h(
            "table",
            {},
            h("thead", {}, h("tr", {}, ["Identity", "Cameras", "Tracklets", "First seen", "Last seen"].map((text) => h("th", { scope: "col" }, text)))),
            h(
              "tbody",
              {},
              people.map((person) =>
                h(
                  "tr",
                  {},
                  h("th", { scope: "row" }, h("a", { class: "chip", href: `#/person/${person.identity}` }, chip(person.identity))),
                  h("td", {}, person.cameras.join(", ")),
                  h("td", {}, person.tracklets),
                  h("td", {}, clock(person.first)),
                  h("td", {}, clock(person.last)),
                ),
              ),
            ),
          ),
        )
      : h("p", { class: "empty" }, "Nobody is in the gallery."),
    h("p", { class: "actions left" }, offset > 0 && link(Math.max(0, offset - PAGE), "Earlier"), offset + PAGE < total && link(offset + PAGE, "Later")),
  );
}

export async function personPage(main, { parts }) {
  const number = Number.parseInt(parts[0], 10);
  const person = await get(`/api/people/${number}`);
  const plan = session.me.floor_plan ? await floorPlan(person) : null;
  const act = async (run, told) => {
    try {
      const made = await run();
      toast(told(made));
      const next = made.identities?.includes(number) && made.kind === "merge" ? Math.min(...made.identities) : number;
      if (next !== number) location.hash = `#/person/${next}`;
      else await personPage(main, { parts });
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  };
  const told = (made) => `Correction ${made.correction}: ${made.kind} of ${made.identities.join(" and ")}.`;
  const split = h("button", { class: "small", disabled: true, onclick: () => act(() => post(`/api/people/${number}/split`, { tracklets: chosen() }), told) }, "Split off as somebody else");
  const checks = [];
  const chosen = () => checks.filter((check) => check.checked).map((check) => JSON.parse(check.value));
  const list = person.tracklets.map((each) => trackletItem(each, number, may("operator") && person.tracklets.length > 1, checks, () => {
    split.disabled = chosen().length === 0 || chosen().length === checks.length;
  }));
  fill(
    main,
    h("h1", {}, h("span", { class: "chip big" }, chip(number)), ` Identity ${number}`),
    h("p", { class: "actions left" }, actions(number, act, told)),
    h("section", { "aria-label": "Way" }, h("h2", {}, "Way"), person.tracklets.length ? timeline(person) : h("p", {}, "No tracklet is left."), plan),
    h("section", { "aria-label": "Seen" }, h("h2", {}, "Seen"), h("ol", { class: "tracklets" }, list), may("operator") && person.tracklets.length > 1 && h("p", {}, split)),
    person.corrections.length ? h("section", {}, h("h2", {}, "Corrections"), corrections(person, act)) : null,
  );
}

function actions(number, act, told) {
  if (!may("operator")) return [];
  const other = async (path, title, text, ok) => {
    const given = await ask({ title, text, fields: [{ name: "other", label: "Number of the other identity", type: "number", min: 0, step: 1 }], ok });
    if (given) await act(() => post(`/api/people/${number}/${path}`, { other: Number(given.other) }), told);
  };
  return [
    h("button", { class: "primary", onclick: () => searchIdentity(number) }, "Search for this person"),
    h("button", { onclick: () => other("merge", `Merge identity ${number}`, "Both are one person, whatever is decided later.", "Merge") }, "Merge with…"),
    h("button", { onclick: () => other("never", `Identity ${number} is not …`, "They are two people, whatever is decided later.", "Never the same") }, "Never the same as…"),
    may("admin") && h("button", { class: "danger", onclick: () => erase(number) }, "Erase…"),
  ];
}

async function erase(number) {
  const given = await ask({
    title: `Erase identity ${number} for good?`,
    text: "Rows, vectors, pictures and searches for them go, and cannot come back. Recordings and backups still show them.",
    fields: [{ name: "number", label: `Type ${number} to erase`, pattern: String(number), type: "text" }],
    ok: "Erase for good",
    danger: true,
  });
  if (!given || given.number !== String(number)) return;
  document.body.classList.add("busy");
  try {
    const done = await call("DELETE", `/api/people/${number}`);
    toast(`Erased; the audit log knows them as ${done.person}.`, { lasting: true });
    location.hash = "#/people";
  } catch (error) {
    toast(error.message, { kind: "bad" });
  } finally {
    document.body.classList.remove("busy");
  }
}

function trackletItem(each, number, splittable, checks, changed) {
  const where = `${each.camera}, ${clock(each.first)} to ${clock(each.last)}`;
  const check = splittable ? h("input", { type: "checkbox", value: JSON.stringify([each.camera, each.track]), onchange: changed }) : null;
  if (check) checks.push(check);
  const title = h("a", { href: `#/wall?camera=${encodeURIComponent(each.camera)}&at=${each.first}` }, where);
  return h(
    "li",
    {},
    h("div", {}, title, h("span", { class: "faint" }, ` track ${each.track}`), check && h("label", { class: "check inline" }, check, "somebody else", h("span", { class: "sr" }, `: ${where}`))),
    h("div", { class: "pictures" }, each.pictures.map((picture) => h("img", { src: picture.address, alt: `Identity ${number} in ${each.camera}, ${clock(picture.time)}`, loading: "lazy" }))),
  );
}

function corrections(person, act) {
  const list = (keys) => keys.map(([camera, track]) => `${camera} ${track}`).join(", ");
  return h(
    "ul",
    { class: "corrections" },
    person.corrections.map((each) =>
      h(
        "li",
        { class: each.undone === null ? "" : "undone" },
        h("span", {}, `${each.number}: ${each.kind} of ${list(each.first)} and ${list(each.second)}, by ${each.who}, ${clock(each.time)}`, each.undone !== null && " (undone)"),
        may("operator") &&
          each.undone === null &&
          h("button", { class: "small", onclick: () => act(() => post(`/api/corrections/${each.number}/undo`), (made) => `Correction ${made.correction} undone.`) }, "Undo", h("span", { class: "sr" }, ` correction ${each.number}`)),
      ),
    ),
  );
}

async function floorPlan(person) {
  try {
    const { places } = await get("/api/floor");
    const plan = new Image();
    plan.src = "/api/floor/plan";
    await plan.decode();
    return floor(person, places, plan);
  } catch {
    return h("p", {}, "The floor plan cannot be read.");
  }
}
