// Checkout and payment: what it waits for, how to pay, and what became of it.

import { h } from "./dom.js";
import { icon } from "./icons.js";

const METHOD_ICONS = { card: "card", wallet: "phone", till: "till", ebt: "basket" };

const ENDED = ["approved", "declined", "cancelled", "voided"];

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
  return h(
    "div",
    { key: "checkout", class: "center" },
    ["declined", "cancelled", "voided"].includes(view.payment?.state) && ended(view.payment, say),
    !view.online && h("p", { key: "offline", class: "box" }, icon("note"), h("span", {}, say("checkout.offline"))),
    waiting && h("h1", { key: "before" }, say("checkout.waits")),
    !waiting && h("h1", { key: "how" }, say(view.training ? "checkout.training" : "checkout.title")),
    waits(parts),
    view.pay_when_still && h("p", { key: "then", class: "box", role: "status" }, icon("wait"), h("span", {}, say("pay.when_still", { method: methodName(words, view.pay_when_still) }))),
    h("div", { key: "methods", class: "methods" }, methods(parts)),
  );
}

const methodName = ({ say, knows }, method) => (knows(`method.${method}`) ? say(`method.${method}`) : method);

/**
 * One button a way to pay; a benefits card says how much of the basket it may pay. While the basket only swings they stay
 * alive: a button that is off for a tenth of a second swallows touches, and the cart remembers one until the basket rests.
 */
function methods({ view, words, act }) {
  const { say, money } = words;
  const waiting = view.checkout_waits_for.some((reason) => reason !== "settling");
  return view.methods.map((name) =>
    h(
      "button",
      { key: name, class: "method", disabled: waiting, "aria-pressed": String(view.pay_when_still === name), onclick: () => act.touch({ action: "pay", method: name }) },
      icon(METHOD_ICONS[name] ?? "card"),
      h("span", {}, say(`method.${name}`)),
      name === "ebt" && h("span", { key: "some", class: "soft" }, say("method.ebt.up_to", { amount: money(Math.min(view.ebt_minor, view.payment?.rest_minor || view.total_minor)) })),
    ),
  );
}

function ended(payment, say) {
  const text =
    payment.state === "declined"
      ? [h("strong", {}, say("pay.declined")), " ", say("pay.declined.body")]
      : say(payment.state === "voided" ? "pay.given_back" : "pay.cancelled");
  return h("p", { key: "ended", class: "box", role: "alert" }, icon("note"), h("span", {}, text));
}

/** A part is paid: what with, how much is left, and how to pay that. */
function rest(parts) {
  const { view, words } = parts;
  const { say, money } = words;
  const payment = view.payment;
  return h(
    "div",
    { key: "rest", class: "center" },
    payment.state === "declined" && h("p", { key: "ended", class: "box", role: "alert" }, icon("note"), h("span", {}, say("pay.rest.declined"))),
    h(
      "dl",
      { class: "tenders" },
      payment.paid.map((tender, index) => [
        h("dt", { key: `t${index}` }, icon("check"), say("pay.part", { method: methodName(words, tender.method) })),
        h("dd", { key: `d${index}` }, money(tender.amount_minor)),
      ]),
      h("dt", { class: "sum" }, say("pay.rest")),
      h("dd", { class: "sum" }, money(payment.rest_minor)),
    ),
    h("h1", {}, say("pay.rest.title")),
    h("div", { key: "methods", class: "methods" }, methods(parts)),
  );
}

export function paying(parts) {
  const { view, words } = parts;
  const { say, knows, money } = words;
  const payment = view.payment;
  if (payment?.rest_minor > 0 && !payment.giving_back && ENDED.includes(payment.state)) return rest(parts);
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
  const state = payment?.giving_back ? "giving_back" : (payment?.state ?? "opened");
  const title = knows(`pay.${state}`) ? `pay.${state}` : "pay.pending";
  return h(
    "div",
    { key: "paying", class: "center", role: "status" },
    h("div", { class: `turning ${state}`, "aria-hidden": "true" }, icon(state === "approved" ? "check" : "card")),
    h("h1", {}, say(title)),
    h("p", {}, knows(`pay.${state}.body`) ? say(`pay.${state}.body`) : ""),
    payment?.paid.length > 0 && state !== "giving_back" && h("p", { key: "part" }, say("pay.part.of", { amount: money(payment.amount_minor), paid: money(payment.paid.reduce((sum, tender) => sum + tender.amount_minor, 0)) })),
    state === "pending" && h("p", { key: "basket", class: "soft" }, say("pay.basket")),
  );
}
