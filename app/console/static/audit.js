// The audit log, for an admin.

import { get } from "./api.js";
import { clock, fill, h } from "./dom.js";

export async function auditPage(main, { query }) {
  const body = h("tbody", {});
  const more = h("button", { onclick: () => load() }, "Older entries");
  const filter = (name, label) => h("p", { class: "field" }, h("label", { htmlFor: `f-${name}` }, label), h("input", { id: `f-${name}`, name, value: query.get(name) ?? "" }));
  let before = null;
  const load = async () => {
    const wanted = new URLSearchParams();
    for (const name of ["who", "action"]) if (query.get(name)) wanted.set(name, query.get(name));
    if (before !== null) wanted.set("before", before);
    const found = await get(`/api/audit?${wanted}`);
    for (const entry of found.entries) body.append(line(entry));
    before = found.entries.at(-1)?.id ?? before;
    more.hidden = !found.more;
  };
  await load();
  const search = (event) => {
    event.preventDefault();
    const given = new URLSearchParams(new FormData(event.target));
    location.hash = `#/audit?${given}`;
  };
  fill(
    main,
    h("h1", {}, "Audit log"),
    h("form", { class: "row", onsubmit: search }, filter("who", "User"), filter("action", "Action"), h("button", {}, "Filter"), h("a", { class: "button", href: "/api/audit/export?kind=csv", download: "audit.csv" }, "Export CSV"), h("a", { class: "button", href: "/api/audit/export?kind=jsonl", download: "audit.jsonl" }, "Export JSON lines")),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Entries" },
      h("table", {}, h("thead", {}, h("tr", {}, ["Time", "User", "Action", "Details"].map((text) => h("th", { scope: "col" }, text)))), body),
    ),
    h("p", {}, more),
  );
}

function line(entry) {
  return h("tr", {}, h("td", {}, clock(entry.time)), h("td", {}, entry.who), h("td", {}, entry.action), h("td", {}, h("code", {}, JSON.stringify(entry.details))));
}
