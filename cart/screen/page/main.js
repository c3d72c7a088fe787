// Holds what the cart said last and what only the page knows, and draws both.

import { patch } from "./dom.js";
import { follow, produceOnOffer, send } from "./link.js";
import { screen } from "./screen.js";
import { speaker } from "./words.js";

const TOAST_MS = 5000;
const SURE_MS = 4000;
const FRESH = { sheet: null, text: "", layout: null, large: false, later: [], sure: null, toast: "", mail: "ask", produce: [], guesses: [], wanted: {}, asked: false };

const root = document.getElementById("app");
const said = document.getElementById("said");
let view = null;
let live = false;
let local = { ...FRESH };
let toastTimer;
let sureTimer;

const act = {
  /** Change what only the page knows. */
  set(changes) {
    local = { ...local, ...changes };
    draw();
  },
  /** Send a shopper action; a refusal is shown in one line. */
  async touch(touch) {
    const reply = await send(touch);
    if (!reply.ok) act.toast(reply.message);
    return reply.ok;
  },
  toast(message) {
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => act.set({ toast: "" }), TOAST_MS);
    act.set({ toast: message || "refused" });
  },
  open: (sheet, layout = null) => act.set({ sheet, layout, text: "" }),
  close: () => act.set({ sheet: null, text: "" }),
  async openProduce() {
    act.open("produce");
    act.set({ guesses: view?.guesses ?? [] });
    act.set({ produce: await produceOnOffer() });
  },
  /** One more or one fewer; quick taps count on from what was asked for, not from a view that is still on its way. */
  async quantity(line, change) {
    const units = Math.min(999, Math.max(1, (local.wanted[line.line] ?? line.units) + change));
    act.set({ wanted: { ...local.wanted, [line.line]: units } });
    await act.touch({ action: "quantity", line: line.line, units });
    const { [line.line]: asked, ...wanted } = local.wanted;
    if (asked === units) act.set({ wanted });
  },
  /** The first tap asks, the second removes. */
  remove(line) {
    clearTimeout(sureTimer);
    if (local.sure === line.line) {
      act.set({ sure: null });
      act.touch({ action: "remove", line: line.line });
    } else {
      sureTimer = setTimeout(() => act.set({ sure: null }), SURE_MS);
      act.set({ sure: line.line });
    }
  },
  /** What was put off is asked again, and what is still open is said. */
  async checkout() {
    act.set({ later: [], asked: true });
    await act.touch({ action: "checkout" });
  },
  async mail() {
    const to = local.text.trim();
    act.set({ mail: "sending", sheet: null, text: "" });
    const reply = await send({ action: "receipt", to });
    act.set({ mail: reply.ok ? "sent" : "failed" });
  },
  async coupon() {
    const code = local.text.trim();
    act.close();
    await act.touch({ action: "coupon", code });
  },
};

function draw() {
  const words = speaker(view ?? { language: "en", locale: "en", currency: "EUR" });
  document.documentElement.lang = words.tag;
  document.documentElement.dataset.text = local.large ? "large" : "normal";
  patch(root, screen(view, live, local, words, act));
}

/** What a screen reader hears beyond the live regions: a question that has just come up takes the focus. */
function attend(before, now) {
  const asked = (each) => each?.interventions.filter((item) => item.stage === "question").map((item) => item.id) ?? [];
  const fresh = asked(now).some((id) => !asked(before).includes(id));
  if (fresh && document.activeElement?.localName !== "input") document.getElementById("question-title")?.focus();
  if (before && now.lines.length > before.lines.length) document.querySelector(".lines")?.scrollTo(0, 0);
  if (before && before.total_minor !== now.total_minor) {
    const words = speaker(now);
    said.textContent = `${words.say("total")} ${words.money(now.total_minor)}`;
  }
}

follow(
  (next) => {
    const before = view;
    view = next;
    live = true;
    const ended = next.phase === "idle" && before !== null && before.phase !== "idle";
    if (ended) local = { ...FRESH }; // the next shopper starts with nothing of the last one's
    if (next.produce && !before?.produce && local.sheet === "produce") local = { ...local, sheet: null };
    if (before && before.phase !== next.phase) local = { ...local, sheet: null, text: "" };
    // The camera's first word orders the tiles, later ones don't: they would jump from under a finger.
    if (local.sheet === "produce" && local.guesses.length === 0) local = { ...local, guesses: next.guesses };
    if (next.can_checkout || next.phase !== "shopping") local = { ...local, asked: false };
    draw();
    document.body.dataset.revision = String(next.revision);
    attend(before, next);
  },
  () => {
    live = false;
    draw();
  },
);
draw();
