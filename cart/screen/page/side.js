// The side that is always there: the total, the savings, and what can be done next.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { waits } from "./paying.js";

export function side(parts) {
  const { view } = parts;
  return h("aside", { key: "side" }, total(parts), h("div", { key: "actions", class: "actions" }, ACTIONS[view.phase]?.(parts) ?? []), view.phase === "shopping" && foot(parts));
}

function total({ view, live, words }) {
  const { say, money } = words;
  const shown = view.phase === "paid" && view.receipt ? view.receipt : view;
  const amount = live ? money(shown.total_minor) : "–";
  return h(
    "div",
    { key: "total", class: "total" },
    h("span", { class: "label" }, say("total")),
    h("output", { class: amount.length > 7 ? "amount-long" : "", "aria-label": live ? `${say("total")} ${amount}` : say("total.unknown") }, amount),
    live && shown.savings_minor > 0 && h("span", { key: "savings", class: "savings" }, say(view.phase === "paid" ? "saved" : "savings", { amount: money(shown.savings_minor) })),
  );
}

/** The way to the checkout. Asked too early, it says what is still open, and the cart asks that plainly. */
function foot(parts) {
  const { view, local, words, act } = parts;
  return h(
    "div",
    { key: "foot", class: "foot" },
    local.asked && !view.can_checkout && waits(parts, 2),
    h("button", { key: "checkout", class: view.can_checkout ? "primary" : "primary waiting", disabled: view.lines.length === 0, onclick: act.checkout }, words.say("do.checkout")),
  );
}

const ACTIONS = {
  shopping: (parts) => {
    const { view, words, act } = parts;
    const { say } = words;
    const help = view.interventions.some((item) => item.kind === "help");
    return [
      button("produce", "leaf", say("do.produce"), act.openProduce),
      button("own_bag", "bag", say("do.own_bag"), () => act.touch({ action: "own_bag" }), { "aria-pressed": String(view.own_bag_waiting) }),
      button("coupon", "tag", say("do.coupon"), () => act.open("coupon", "letters")),
      button("help", "hand", say("do.help"), () => act.touch({ action: "help" }), { disabled: help }),
    ];
  },
  checkout: ({ words, act }) => [
    button("help", "hand", words.say("do.help"), () => act.touch({ action: "help" }), { class: "wide" }),
    button("back", "back", words.say("do.back"), () => act.touch({ action: "cancel" }), { class: "wide" }),
  ],
  paying: ({ view, words, act }) => [
    button("help", "hand", words.say("do.help"), () => act.touch({ action: "help" }), { class: "wide" }),
    view.methods.includes("till") &&
      ["pending", "unknown"].includes(view.payment?.state) &&
      button("till", "till", words.say("do.finish_at_till"), () => act.touch({ action: "pay", method: "till" }), { class: "wide" }),
    view.payment?.state !== "handed_to_till" &&
      button("cancel", "close", words.say(view.payment?.rest_minor > 0 && !["opened", "pending", "unknown", "cancelling"].includes(view.payment.state) ? "do.give_back" : "do.cancel_pay"), () => act.touch({ action: "cancel" }), { class: "wide", disabled: view.payment?.state === "cancelling" || view.payment?.giving_back }),
  ],
  paid: ({ view, local, words, act }) => [
    h("p", { key: "thanks", class: "thanks" }, h("strong", {}, words.say("paid.title")), " ", words.say("paid.body", { amount: words.money((view.receipt ?? view).total_minor) })),
    ["ask", "failed"].includes(local.mail)
      ? button("mail", "mail", words.say("receipt.mail"), () => act.open("mail", "email"), { class: "wide" })
      : h("p", { key: "mailed", class: "mailed", role: "status" }, icon("mail"), words.say(`receipt.mail.${local.mail}`)),
    local.mail === "failed" && h("p", { key: "failed", class: "mailed", role: "alert" }, words.say("receipt.mail.failed")),
  ],
};

function button(key, picture, text, onclick, props = {}) {
  return h("button", { key, ...props, onclick }, icon(picture), h("span", {}, text));
}
