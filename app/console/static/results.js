// What a search found: ranked matches, why each matched, and what the operator says to it.

import { cameras as knownCameras, get, may, post, session } from "./api.js";
import { ask, chip, clock, fill, h, percent, toast } from "./dom.js";
import { showReason } from "./reason.js";
import { fresh } from "./searching.js";

const AT_ONCE = 6; // Pictures that are fetched before they are known to be in view.

export async function resultsPage(main, { parts }) {
  const just = fresh.found?.id === parts[0] ? fresh.found : null;
  fresh.found = null;
  const [found, there] = await Promise.all([just ?? get(`/api/searches/${encodeURIComponent(parts[0])}`), knownCameras()]);
  draw(main, found, there);
}

function draw(main, found, cameras) {
  const likely = found.matches.filter((match) => match.passes !== false);
  const others = found.matches.filter((match) => match.passes === false);
  const card = (match) => matchCard(found, match, () => reload(main, found, cameras));
  fill(
    main,
    h("h1", {}, found.title),
    h(
      "div",
      { class: "results" },
      h("aside", { class: "query", "aria-label": "The query" }, query(found), filters(found, cameras), tools(found)),
      h(
        "div",
        { class: "found" },
        h("p", { class: "summary" }, summary(found, likely)),
        found.missing.length ? h("p", { class: "problem", role: "alert" }, `Not searched, as it is away: ${found.missing.join(", ")}. Search again in a while.`) : null,
        h("ol", { class: "matches", "aria-label": "Matches" }, likely.map(card)),
        others.length ? h("h2", {}, `Below ${percent(found.bar)}: probably somebody else`) : null,
        others.length ? h("ol", { class: "matches below", "aria-label": "Less likely" }, others.map(card)) : null,
      ),
    ),
  );
}

async function reload(main, found, cameras) {
  try {
    draw(main, await get(`/api/searches/${found.id}`), cameras);
  } catch (error) {
    toast(error.message, { kind: "bad" });
  }
}

function summary(found, likely) {
  if (!found.matches.length) return `Nobody in ${found.missing.length ? "what was searched" : "the gallery"} fits these filters.`;
  const took = `${found.matches.length} in ${found.milliseconds.toFixed(0)} ms`;
  if (found.matches[0].probability === null) return `${took}. These weights do not say how probable a match is.`;
  if (!likely.length) return `${took}. Nobody matches: the likeliest stays below ${percent(found.bar)}.`;
  const people = new Set(likely.map((match) => match.person)).size;
  return `${took}; ${likely.length} with ${percent(found.bar)} or more: ${people === 1 ? "one person" : `${people} people`}. Where the query comes from, and who was beside them, is left out.`;
}

function query(found) {
  const pictures = Array.from({ length: Math.min(found.pictures, 6) }, (_, which) =>
    h("img", { src: `/api/searches/${found.id}/queries/${which}`, alt: `Query, picture ${which + 1}`, onerror: (event) => event.target.remove() }),
  );
  return [
    h("div", { class: "pictures" }, pictures),
    found.identity !== null && h("p", {}, "Tracked as ", h("a", { class: "chip", href: `#/person/${found.identity}` }, chip(found.identity))),
  ];
}

function filters(found, cameras) {
  const wish = found.wish;
  const first = Math.min(...cameras.map((camera) => camera.first ?? Infinity));
  const last = Math.max(...cameras.map((camera) => camera.last ?? -Infinity));
  const time = (name, label, value, other) =>
    session.me.recorded
      ? h("p", { class: "field" }, h("label", { htmlFor: name }, `${label}, seconds`), h("input", { id: name, name, value: value ?? "", inputmode: "decimal", placeholder: Number.isFinite(other) ? String(other) : "" }))
      : h("p", { class: "field" }, h("label", { htmlFor: name }, label), h("input", { id: name, name, type: "datetime-local", step: 1, value: value === null ? "" : clock(value).replace(" ", "T") }));
  const boxes = cameras.map((camera) =>
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "camera", value: camera.name, checked: wish.cameras.length === 0 || wish.cameras.includes(camera.name) }), camera.name),
  );
  const form = h(
    "form",
    { onsubmit: (event) => again(event, found, cameras) },
    h("fieldset", {}, h("legend", {}, "Cameras"), boxes),
    h("div", { class: session.me.recorded ? "pair" : "" }, time("start", "From", wish.start, first), time("end", "To", wish.end, last)),
    h("label", { class: "check" }, h("input", { type: "checkbox", name: "exact", checked: wish.exact }), "Match every sighting (slower)"),
    h("p", {}, h("button", {}, "Search again")),
  );
  return h("details", { open: matchMedia("(min-width: 761px)").matches }, h("summary", {}, "Filters"), form);
}

async function again(event, found, cameras) {
  event.preventDefault();
  const data = new FormData(event.target);
  const chosen = data.getAll("camera");
  if (!chosen.length) return toast("Choose a camera at least.", { kind: "bad" });
  const moment = (text) => (session.me.recorded ? Number(text) : new Date(text).getTime() / 1000);
  const number = (name) => (data.get(name).trim() === "" ? null : moment(data.get(name)));
  const [start, end] = [number("start"), number("end")];
  if (Number.isNaN(start) || Number.isNaN(end)) return toast("Times are seconds, such as 12.5.", { kind: "bad" });
  const wish = {
    top: found.wish.top,
    start,
    end,
    cameras: chosen.length === cameras.length ? [] : chosen,
    exact: data.get("exact") !== null,
    reason: found.wish.reason,
  };
  try {
    const next = await post(`/api/searches/${found.id}/again`, wish);
    location.hash = `#/search/${next.id}`;
  } catch (error) {
    toast(error.message, { kind: "bad" });
  }
}

function tools(found) {
  const follow = async () => {
    const given = await ask({
      title: "Follow this person",
      text: "Whenever somebody who looks like them is seen again, every page is alerted.",
      fields: [{ name: "name", label: "Name of the follow" }],
      ok: "Follow",
    });
    if (!given) return;
    try {
      await post(`/api/searches/${found.id}/follow`, { name: given.name });
      toast(`Following “${given.name}”.`);
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  };
  return h(
    "p",
    { class: "actions left" },
    h("button", { onclick: follow }, "Follow…"),
    found.matches.length ? h("a", { class: "button", href: `/api/searches/${found.id}/list.csv`, download: "search.csv" }, "Export list") : null,
  );
}

function matchCard(found, match, changed) {
  const where = `${match.camera}, ${clock(match.time)}`;
  const address = `/api/searches/${found.id}/matches/${match.rank}`;
  const say = async (same) => {
    try {
      const made = await post(`${address}/verdict`, { same });
      toast(`Correction ${made.correction}: ${made.kind} of ${made.identities.join(" and ")}.`, { link: { href: `#/person/${made.identities[0]}`, text: "Undo there" } });
      changed();
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  };
  const sayable = may("operator") && found.identity !== null && match.identity !== null && !match.gone;
  const small = (text, onclick, more = {}) => h("button", { class: "small", onclick, ...more }, text, h("span", { class: "sr" }, ` – match ${match.rank}, ${where}`));
  return h(
    "li",
    { class: match.same === "yes" ? "match same" : "match" },
    match.picture
      ? h("img", { src: `${address}/picture`, alt: `Match ${match.rank}: ${where}`, loading: match.rank > AT_ONCE ? "lazy" : "eager" })
      : h("div", { class: "blank" }, "no picture"),
    h(
      "div",
      { class: "facts" },
      h("p", { class: "probability" }, h("strong", {}, percent(match.probability)), meter(match.probability)),
      h("p", {}, h("a", { href: `#/wall?camera=${encodeURIComponent(match.camera)}&at=${match.time}` }, where)),
      h(
        "p",
        {},
        match.gone
          ? "left the gallery"
          : match.identity === null
            ? "not linked"
            : h("a", { class: "chip", href: `#/person/${match.identity}` }, chip(match.identity)),
        match.same === "yes" && h("span", { class: "tag" }, "same person"),
      ),
      h("p", { class: "words" }, match.words),
      h(
        "p",
        { class: "actions left" },
        small("Why?", () => showReason(found, match)),
        session.me.recorded && small("Clip", () => showClip(`${address}/clip`, where)),
        sayable && match.same !== "yes" && small("Same", () => say(true)),
        sayable && small("Not the same", () => say(false)),
      ),
    ),
  );
}

function meter(probability) {
  const bar = h("span", { class: "meter", "aria-hidden": "true" }, h("span", {}));
  bar.firstChild.style.width = `${100 * (probability ?? 0)}%`;
  return bar;
}

function showClip(source, where) {
  const video = h("video", { src: source, controls: true, autoplay: true, loop: true, muted: true });
  video.addEventListener("error", async () => {
    if (!dialog.open) return;
    const why = await get(source).catch((error) => error.message);
    video.replaceWith(h("p", {}, typeof why === "string" ? why : "the clip cannot be played"));
  });
  const dialog = h(
    "dialog",
    { class: "wide", "aria-label": `Clip of ${where}` },
    h("h2", {}, where),
    video,
    h("p", { class: "actions" }, h("button", { onclick: () => dialog.close() }, "Close")),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
