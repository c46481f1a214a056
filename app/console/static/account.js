// One's own password and tokens; follows; for an admin, all users.

import { call, get, may, post, session } from "./api.js";
import { ask, clock, fill, h, toast } from "./dom.js";

const ROLES = ["viewer", "operator", "admin"];

export async function accountPage(main) {
  const again = () => accountPage(main);
  const [tokens, follows] = await Promise.all([get("/api/tokens"), may("operator") ? get("/api/follows") : []]);
  fill(
    main,
    h("h1", {}, `${session.me.name} (${session.me.role})`),
    h("section", {}, h("h2", {}, "Password"), h("p", {}, h("button", { onclick: () => password() }, "Change password…"))),
    may("operator") &&
      h("section", {}, h("h2", {}, "Follows"), follows.length ? table(["Name", "By", "Cameras", "Ends", ""], follows.map((each) => [each.name, each.who, each.cameras, clock(each.expires), end("follow", each.name, `/api/follows/${each.follow}`, again)])) : h("p", {}, "Nobody is followed.")),
    h(
      "section",
      {},
      h("h2", {}, "API tokens"),
      tokens.length ? table(["Name", "Of", "Role", "Ends", ""], tokens.map((each) => [each.name, each.user, each.role, clock(each.expires), end("token", each.name, `/api/tokens/${each.id}`, again)])) : h("p", {}, "There is none."),
      h("p", {}, h("button", { onclick: () => token(again) }, "New token…")),
    ),
  );
}

function table(heads, rows) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": heads[0] },
    h("table", {}, h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text || h("span", { class: "sr" }, "Actions"))))), h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell)))))),
  );
}

function end(what, name, address, done) {
  const run = async () => {
    if (!(await ask({ title: `End ${what} “${name}”?`, ok: "End it", danger: true }))) return;
    await call("DELETE", address).then(done, (error) => toast(error.message, { kind: "bad" }));
  };
  return h("button", { class: "small", onclick: run }, "End", h("span", { class: "sr" }, ` ${what} ${name}`));
}

async function token(done) {
  const roles = ROLES.filter((role) => may(role));
  const given = await ask({
    title: "New token",
    text: "A program that holds it may do what you may, up to its role.",
    fields: [
      { name: "name", label: "What it is for" },
      { name: "role", label: "Role", options: roles, value: roles[0] },
      { name: "days", label: "Days until it ends", type: "number", min: 1, max: 3650, value: 90 },
    ],
    ok: "Make it",
  });
  if (!given) return;
  try {
    const made = await post("/api/tokens", { name: given.name, role: given.role, days: Number(given.days) });
    toast(`Token, shown this once: ${made.secret}`, { lasting: true });
    await done();
  } catch (error) {
    toast(error.message, { kind: "bad" });
  }
}

export async function password({ forced = false } = {}) {
  for (;;) {
    const given = await ask({
      title: "Choose a password",
      text: forced ? "Yours was made for the first login only." : "Your other sessions end.",
      fields: [
        { name: "old", label: "Old password", type: "password", autocomplete: "current-password" },
        { name: "new", label: "New password", type: "password", autocomplete: "new-password", minlength: 10, hint: "10 characters or more" },
        { name: "twice", label: "New password, again", type: "password", autocomplete: "new-password" },
      ],
      ok: "Change it",
    });
    if (!given) return false;
    if (given.new !== given.twice) {
      toast("The new passwords are not alike.", { kind: "bad" });
      continue;
    }
    try {
      session.me = await post("/api/session/password", { old: given.old, new: given.new });
      toast("Password changed.");
      return true;
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  }
}

export async function usersPage(main) {
  const users = await get("/api/users");
  const run = async (send, told) => {
    try {
      const made = await send();
      if (told) toast(told(made), { lasting: true });
      await usersPage(main);
    } catch (error) {
      toast(error.message, { kind: "bad" });
    }
  };
  const once = (made) => `${made.user.name} logs in with ${made.password}; it works once and is shown this once.`;
  const add = async () => {
    const given = await ask({ title: "Add a user", fields: [{ name: "name", label: "Name", pattern: "[A-Za-z0-9._@\\-]{1,64}", hint: "Letters, digits and . _ @ -" }, { name: "role", label: "Role", options: ROLES, value: "viewer" }], ok: "Add" });
    if (given) await run(() => post("/api/users", given), once);
  };
  const role = (user) => {
    const choice = h("select", { "aria-label": `Role of ${user.name}` }, ROLES.map((each) => h("option", { value: each }, each)));
    choice.value = user.role;
    choice.addEventListener("change", () => run(() => call("PUT", `/api/users/${user.id}`, { role: choice.value, disabled: user.disabled !== null })));
    return choice;
  };
  const buttons = (user) => [
    h("button", { class: "small", onclick: () => run(() => post(`/api/users/${user.id}/password`), once) }, "New password", h("span", { class: "sr" }, ` for ${user.name}`)),
    " ",
    h("button", { class: "small", onclick: () => run(() => call("PUT", `/api/users/${user.id}`, { role: user.role, disabled: user.disabled === null })) }, user.disabled === null ? "Lock out" : "Let in", h("span", { class: "sr" }, ` ${user.name}`)),
  ];
  const state = (user) => (user.disabled !== null ? "locked out" : user.locked_until * 1000 > Date.now() ? "locked for a while" : user.must_change ? "has to choose a password" : "");
  fill(
    main,
    h("h1", {}, "Users"),
    table(["Name", "Role", "State", "Since", ""], users.map((user) => [user.name, role(user), state(user), clock(user.created), buttons(user)])),
    h("p", {}, h("button", { class: "primary", onclick: add }, "Add a user…")),
  );
}
