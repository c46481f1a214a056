// Talking to the API. Who is logged in is known here, too.

export const session = { me: null };

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export async function call(method, path, body = undefined) {
  const headers = {};
  if (session.me && method !== "GET") headers["x-csrf-token"] = session.me.csrf;
  const options = { method, headers, credentials: "same-origin" };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refused(0, "the console does not answer; is it still running?");
  }
  if (answer.status === 204) return null;
  const data = await answer.json().catch(() => ({ error: `the console answered ${answer.status}` }));
  if (!answer.ok) {
    if (answer.status === 401 && session.me) dispatchEvent(new Event("logged-out"));
    throw new Refused(answer.status, data.error ?? `the console answered ${answer.status}`);
  }
  return data;
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);

const KEPT = 60_000;
let known = { at: -Infinity, cameras: [] };

// The cameras, for lists of their names; the wall asks anew each time.
export async function cameras() {
  if (performance.now() - known.at > KEPT) known = { at: performance.now(), cameras: await get("/api/cameras") };
  return known.cameras;
}

const ROLES = ["viewer", "operator", "admin"];

export function may(role) {
  return session.me !== null && ROLES.indexOf(session.me.role) >= ROLES.indexOf(role);
}
