// Starting a search, from wherever: it asks for a reason where one is wanted, and opens the results.

import { post, session } from "./api.js";
import { ask, toast } from "./dom.js";

// What was found last: its page need not ask again for what it was just told.
export const fresh = { found: null };

export async function searchBox(given) {
  await run((wish) => post("/api/searches/box", { ...given, ...wish }));
}

export async function searchIdentity(identity, wish = {}) {
  await run((more) => post("/api/searches/identity", { identity, ...wish, ...more }), wish.reason);
}

export async function searchPictures(files) {
  if (!files.length) return;
  await run((wish) => {
    const form = new FormData();
    for (const file of files) form.append("pictures", file);
    form.append("wish", JSON.stringify(wish));
    return post("/api/searches/pictures", form);
  });
}

async function run(send, known = "") {
  const wish = known ? { reason: known } : {};
  if (session.me.require_reason && !known) {
    const given = await ask({
      title: "What is this search for?",
      text: "The reason enters the audit log.",
      fields: [{ name: "reason", label: "Reason" }],
      ok: "Search",
    });
    if (!given) return;
    wish.reason = given.reason;
  }
  document.body.classList.add("busy");
  try {
    const found = await send(wish);
    fresh.found = found;
    location.hash = `#/search/${found.id}`;
  } catch (error) {
    toast(error.message, { kind: "bad" });
  } finally {
    document.body.classList.remove("busy");
  }
}
