// Somebody's way: a lane for each camera over time, and a line over the floor plan.

import { clock, colour, h } from "./dom.js";

const LANE = 34;
const LEFT = 110;
const WIDTH = 900;

export function timeline(person) {
  const { tracklets, identity } = person;
  const cameras = [...new Set(tracklets.map((each) => each.camera))];
  const first = Math.min(...tracklets.map((each) => each.first));
  const last = Math.max(...tracklets.map((each) => each.last));
  const span = Math.max(last - first, 1e-3);
  const x = (time) => LEFT + ((time - first) / span) * (WIDTH - LEFT - 12);
  const y = (camera) => 8 + cameras.indexOf(camera) * LANE + LANE / 2;
  const height = cameras.length * LANE + 36;
  const lanes = cameras.map((camera) => [
    h("line", { x1: LEFT, x2: WIDTH - 12, y1: y(camera), y2: y(camera), class: "lane" }),
    h("text", { x: LEFT - 10, y: y(camera) + 4, "text-anchor": "end" }, camera.length > 14 ? `${camera.slice(0, 13)}…` : camera),
  ]);
  const moves = tracklets.slice(1).map((next, place) => {
    const before = tracklets[place];
    return h("line", { x1: x(before.last), y1: y(before.camera), x2: x(next.first), y2: y(next.camera), class: "move" });
  });
  const bars = tracklets.map((each) => {
    const bar = h("rect", { x: x(each.first), y: y(each.camera) - 9, width: Math.max(x(each.last) - x(each.first), 5), height: 18, rx: 5 }, h("title", {}, `${each.camera}, ${clock(each.first)} to ${clock(each.last)}`));
    bar.style.fill = colour(identity);
    return bar;
  });
  const marks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
    return h("text", { x: x(first + share * span), y: height - 10, "text-anchor": anchor, class: "mark" }, clock(first + share * span));
  });
  const words = tracklets.map((each) => `${each.camera} ${clock(each.first)} to ${clock(each.last)}`).join("; ");
  return h("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": `Way: ${words}`, class: "timeline" }, lanes, moves, bars, marks);
}

export function floor(person, places, plan) {
  const known = person.tracklets.filter((each) => each.camera in places);
  const points = known.map((each) => places[each.camera]);
  const size = Math.max(plan.naturalWidth, plan.naturalHeight);
  const path = h("polyline", { points: points.map((point) => point.join(",")).join(" "), class: "way", "stroke-width": size / 150 });
  path.style.stroke = colour(person.identity);
  const spots = Object.entries(places).map(([camera, [x, y]]) => {
    const times = known.filter((each) => each.camera === camera);
    const spot = h("circle", { cx: x, cy: y, r: size / (times.length ? 55 : 90), class: times.length ? "seen" : "" });
    return [spot, h("text", { x: x + size / 45, y: y + size / 130, "font-size": size / 45 }, camera)];
  });
  const order = known.map((each) => each.camera).join(", then ");
  return h(
    "svg",
    { viewBox: `0 0 ${plan.naturalWidth} ${plan.naturalHeight}`, role: "img", "aria-label": `Floor plan: ${order || "seen by no camera on it"}`, class: "floor" },
    h("image", { href: plan.src, width: plan.naturalWidth, height: plan.naturalHeight }),
    path,
    spots,
  );
}
