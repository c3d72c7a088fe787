// Which parts a view's phase shows, and where.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { cards, strips } from "./asking.js";
import { lineList } from "./lines.js";
import { checkout, paying } from "./paying.js";
import { receipt } from "./receipt.js";
import { couponSheet, languageSheet, mailSheet, produceSheet } from "./sheets.js";
import { side } from "./side.js";
import { idle, lost, plain } from "./still.js";

const SHEETS = { produce: produceSheet, coupon: couponSheet, language: languageSheet, mail: mailSheet };
const MAIN = { shopping: lineList, checkout, paying, paid: receipt };

/** The whole screen, as descriptions for `patch`. `view` is the cart's, `local` the page's own. */
export function screen(view, live, local, words, act) {
  const { say } = words;
  if (view === null) return live ? [] : [plain("wait", say("starting"), "")];
  const parts = { view, live, local, words, act };
  return [
    h("div", { key: "all", class: `all ${view.phase}`, inert: !live }, header(parts), body(parts), toast(parts)),
    !live && lost(parts),
  ].filter(Boolean);
}

function body(parts) {
  const { view, local, words } = parts;
  const { say } = words;
  if (view.locked) return plain("person", say("locked.title"), say("locked.body"));
  if (view.phase === "maintenance") {
    const filmed = view.notices.some((notice) => notice.part === "camera" && notice.fault === "recorded");
    return plain("note", say("maintenance.title"), say(filmed ? "notice.camera.recorded" : "maintenance.body"));
  }
  const sheet = SHEETS[local.sheet];
  if (view.phase === "idle") {
    return h("div", { key: "still", class: "still" }, strips(parts), sheet ? sheet(parts) : idle(parts));
  }
  return h(
    "div",
    { key: "split", class: "split" },
    h(
      "main",
      { key: "main" },
      h("div", { key: "strips", class: "strips" }, strips(parts)),
      h("div", { key: "stage", class: "stage" }, MAIN[view.phase](parts), sheet ? sheet(parts) : cards(parts)),
    ),
    side(parts),
  );
}

function header({ view, live, local, words, act }) {
  const { say, count, money } = words;
  // On a short screen a sheet with keys covers the side; the total then stays in sight here.
  const total = local.sheet && live ? ` · ${money(view.total_minor)}` : "";
  return h(
    "header",
    { key: "header" },
    h("div", { class: "brand" }, icon("cart"), view.phase !== "idle" && view.units > 0 && h("span", {}, count("items", view.units), total)),
    view.training && h("strong", { key: "training", class: "ribbon" }, say("training")),
    h("button", { key: "size", class: "quiet", "aria-pressed": String(local.large), "aria-label": say("text.size"), onclick: () => act.set({ large: !local.large }) }, h("span", { class: "size", "aria-hidden": "true" }, "Aa")),
    view.languages.length > 1 &&
      h("button", { key: "language", class: "quiet", "aria-label": say("language"), onclick: () => act.open("language") }, icon("globe"), h("span", {}, view.language.toUpperCase())),
  );
}

function toast({ local, words }) {
  const key = `refused.${local.toast}`;
  const text = words.knows(key) ? words.say(key) : local.toast === "refused" ? words.say("refused") : local.toast;
  return h("div", { key: "toast", class: "toast", role: "status", hidden: !local.toast }, text);
}
