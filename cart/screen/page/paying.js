// Checkout and payment: what it waits for, how to pay, and what became of it.

import { h } from "./dom.js";
import { icon } from "./icons.js";

const METHOD_ICONS = { card: "card", wallet: "phone", till: "till" };

/** What the checkout waits for, at most `most` lines; null when for nothing. */
export function waits({ view, words }, most = 4) {
  if (view.checkout_waits_for.length === 0) return null;
  return h(
    "ul",
    { key: "waits", class: "waits", role: "status" },
    view.checkout_waits_for.slice(0, most).map((reason) => h("li", { key: reason }, icon("wait"), words.say(`waits.${reason}`))),
  );
}

export function checkout(parts) {
  const { view, words, act } = parts;
  const { say } = words;
  // A basket that still swings is a matter of a second, and no reason to rewrite the page.
  const waiting = view.checkout_waits_for.some((reason) => reason !== "settling");
  const method = (name) =>
    h("button", { key: name, class: "method", disabled: view.checkout_waits_for.length > 0, onclick: () => act.touch({ action: "pay", method: name }) }, icon(METHOD_ICONS[name] ?? "card"), h("span", {}, say(`method.${name}`)));
  return h(
    "div",
    { key: "checkout", class: "center" },
    ["declined", "cancelled"].includes(view.payment?.state) && ended(view.payment, say),
    !view.online && h("p", { key: "offline", class: "box" }, icon("note"), h("span", {}, say("checkout.offline"))),
    waiting && h("h1", { key: "before" }, say("checkout.waits")),
    !waiting && h("h1", { key: "how" }, say(view.training ? "checkout.training" : "checkout.title")),
    waits(parts),
    h("div", { key: "methods", class: "methods" }, view.methods.map(method)),
  );
}

function ended(payment, say) {
  const text = payment.state === "declined" ? [h("strong", {}, say("pay.declined")), " ", say("pay.declined.body")] : say("pay.cancelled");
  return h("p", { key: "ended", class: "box", role: "alert" }, icon("note"), h("span", {}, text));
}

export function paying({ view, words }) {
  const { say, knows, money } = words;
  const payment = view.payment;
  if (payment?.state === "handed_to_till") {
    return h(
      "div",
      { key: "till", class: "center" },
      h("h1", {}, say("pay.till")),
      h("output", { class: "code", "aria-label": [...(payment.code ?? "")].join(" ") }, payment.code ?? "–"),
      h("p", {}, say("pay.till.body")),
      h("p", { class: "soft" }, money(payment.amount_minor)),
    );
  }
  const state = payment?.state ?? "opened";
  const title = knows(`pay.${state}`) ? `pay.${state}` : "pay.pending";
  return h(
    "div",
    { key: "paying", class: "center", role: "status" },
    h("div", { class: `turning ${state}`, "aria-hidden": "true" }, icon(state === "approved" ? "check" : "card")),
    h("h1", {}, say(title)),
    h("p", {}, knows(`pay.${state}.body`) ? say(`pay.${state}.body`) : ""),
    state === "pending" && h("p", { key: "basket", class: "soft" }, say("pay.basket")),
  );
}
