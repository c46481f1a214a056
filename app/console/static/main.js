// The page's frame: who is logged in, which page is open, what happens meanwhile.

import { accountPage, password, usersPage } from "./account.js";
import { call, get, may, post, session } from "./api.js";
import { auditPage } from "./audit.js";
import { clock, fill, h, toast } from "./dom.js";
import { peoplePage, personPage } from "./people.js";
import { resultsPage } from "./results.js";
import { wallPage } from "./wall.js";

const PAGES = {
  wall: { show: wallPage, title: "Wall", role: "viewer" },
  people: { show: peoplePage, title: "People", role: "viewer" },
  person: { show: personPage, title: "Person", role: "viewer", hidden: true },
  search: { show: resultsPage, title: "Search", role: "operator", hidden: true },
  audit: { show: auditPage, title: "Audit log", role: "admin" },
  users: { show: usersPage, title: "Users", role: "admin" },
  account: { show: accountPage, title: "Account", role: "viewer" },
};

const main = document.querySelector("#main");
const header = document.querySelector("#top");
let leave = null;
let opened = 0;
let events = null;

function route() {
  const [path, query] = location.hash.replace(/^#\//, "").split("?");
  const [name, ...parts] = path.split("/").map(decodeURIComponent);
  return { name: name in PAGES ? name : "wall", parts, query: new URLSearchParams(query ?? "") };
}

async function open() {
  const { name, parts, query } = route();
  const page = PAGES[name];
  const mine = ++opened;
  leave?.();
  leave = null;
  document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
  frame(name);
  document.title = `${page.title} · crowdtrace`;
  try {
    if (!may(page.role)) throw new Error(`this page needs the role ${page.role}`);
    const left = await page.show(main, { parts, query });
    if (mine === opened) leave = left ?? null;
    else left?.();
  } catch (error) {
    if (mine !== opened || session.me === null) return;
    fill(main, h("h1", {}, page.title), h("p", { class: "empty", role: "alert" }, error.message), h("p", {}, h("a", { href: "#/wall" }, "To the wall")));
  }
}

function frame(current) {
  const links = Object.entries(PAGES)
    .filter(([, page]) => !page.hidden && may(page.role))
    .map(([name, page]) => h("li", {}, h("a", { href: `#/${name}`, "aria-current": name === current ? "page" : null }, page.title)));
  fill(
    header,
    h("a", { class: "brand", href: "#/wall" }, "crowdtrace"),
    h("nav", { "aria-label": "Pages" }, h("ul", {}, links)),
    h("span", { class: "me" }, theme(), h("button", { class: "quiet", onclick: logOut }, "Log out", h("span", { class: "sr" }, ` ${session.me.name}`))),
  );
}

function theme() {
  const root = document.documentElement;
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const flip = () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // Storage may be forbidden; the choice then lasts as long as the page.
    }
  };
  return h("button", { class: "quiet", onclick: flip, "aria-label": "Light or dark" }, "◐");
}

function loginPage(note = "") {
  leave?.();
  leave = null;
  events?.close();
  events = null;
  session.me = null;
  opened++;
  document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
  document.title = "Log in · crowdtrace";
  fill(header, h("span", { class: "brand" }, "crowdtrace"));
  const problem = h("p", { class: "problem", role: "alert" }, note);
  const field = (id, label, type, autocomplete) =>
    h("p", { class: "field" }, h("label", { htmlFor: id }, label), h("input", { id, name: id, type, autocomplete, required: true, maxlength: type === "password" ? 256 : 64 }));
  const submit = async (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    try {
      session.me = await post("/api/session", { name: data.get("name"), password: data.get("password") });
      await enter();
    } catch (error) {
      problem.textContent = error.message;
    }
  };
  fill(main, h("form", { class: "login", onsubmit: submit }, h("h1", {}, "Log in"), field("name", "Name", "text", "username"), field("password", "Password", "password", "current-password"), problem, h("p", {}, h("button", { class: "primary" }, "Log in"))));
  document.querySelector("#name").focus();
}

async function logOut() {
  await call("DELETE", "/api/session").catch(() => null);
  loginPage();
}

async function enter() {
  if (session.me.must_change && !(await password({ forced: true }))) {
    await logOut();
    return;
  }
  listen();
  await open();
}

// What happens elsewhere: corrections of others, follows that were raised.
function listen() {
  events?.close();
  events = new EventSource("/api/events");
  events.addEventListener("happening", (event) => told(JSON.parse(event.data)));
  events.addEventListener("lost", (event) => toast(`${event.data} events were left out: this page did not keep up.`, { kind: "bad" }));
  events.addEventListener("end", () => events.close());
}

function told(what) {
  dispatchEvent(new CustomEvent("happening", { detail: what }));
  if (what.kind === "follow.reappeared") {
    const link = { href: `#/wall?camera=${encodeURIComponent(what.camera)}&at=${what.first_time}`, text: "Show" };
    toast(`“${what.name}” was seen again: ${what.camera}, ${clock(what.first_time)}.`, { kind: "alert", lasting: true, link });
  } else if (what.kind.startsWith("identity.") && what.who && what.who !== session.me?.name) {
    toast(`${what.who}: identities ${what.identities.join(" and ")} ${what.kind.slice(9)}.`);
  }
}

addEventListener("hashchange", () => {
  if (session.me && location.hash.startsWith("#/")) open();
});
addEventListener("logged-out", () => loginPage("You were logged out; log in again."));

session.me = await get("/api/session").catch(() => null);
if (session.me) await enter();
else loginPage();
