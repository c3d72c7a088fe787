// What the cart asks and tells: quiet strips for notices, hints and staff on their way, one large card for a question.

import { h } from "./dom.js";
import { icon } from "./icons.js";

// Lines about something lost are short; more than this many at once would push the list away.
const NOTICES_MAX = 3;

// Answers that are neither the usual one nor one to nudge towards.
const PLAIN_CHOICES = new Set(["remove", "drop", "insist", "none_of_these", "mine", "all_scanned", "take_out", "under_basket", "in_basket", "call_staff", "cancel", "cancel_help"]);

/** The item a question is about, in the shopper's language where the list has it. */
function named(item, { view, words }) {
  const line = view.lines.find((each) => each.line === item.line || (item.sku !== null && each.sku === item.sku));
  return { name: line ? words.name(line) : (item.name ?? "") };
}

/** What the words are about: the kind, or a reason for which a kind has words of its own. */
const topic = (item, words) => (words.knows(`ask.${item.reason}.title`) ? item.reason : item.kind);

/** `ask.<topic>.<part>` in words, readable for a kind that no table knows. */
function text(item, part, parts) {
  const key = `ask.${topic(item, parts.words)}.${part}`;
  return parts.words.knows(key) ? parts.words.say(key, named(item, parts)) : "";
}

/** Why, in words; the cart's own notes on a decision (`weight_differs`) are not for here. */
const reason = (item, words) => (words.knows(`reason.${item.reason}`) ? words.say(`reason.${item.reason}`) : "");

export function strips(parts) {
  const { view, local } = parts;
  const later = view.interventions.filter((item) => item.stage === "question" && local.later.includes(item.id));
  return [
    ...notices(parts),
    view.own_bag_waiting && h("div", { key: "own_bag", class: "strip tell", role: "status" }, icon("bag"), h("p", {}, parts.words.say("own_bag.waiting"))),
    ...view.interventions.filter((item) => item.stage === "staff").map((item) => staff(item, parts)),
    ...view.interventions.filter((item) => item.stage === "hint").map((item) => hint(item, parts)),
    ...later.map((item) => postponed(item, parts)),
  ].filter(Boolean);
}

function notices({ view, words }) {
  const lost = [...view.notices];
  // The checkout says at length what no network means for paying.
  if (!view.online && view.phase !== "checkout" && !lost.some((notice) => notice.part === "network")) lost.push({ part: "network", fault: "missing" });
  const lines = new Map();
  for (const { part, fault } of lost) {
    const key = [`notice.${part}.${fault}`, `notice.${part}`].find(words.knows);
    lines.set(part, key ? words.say(key) : `${words.say(part)}: ${words.say(fault)}`);
  }
  return [...lines].slice(0, NOTICES_MAX).map(([part, line]) => h("div", { key: `notice-${part}`, class: "strip notice", role: "status" }, icon("note"), h("p", {}, line)));
}

function staff(item, parts) {
  const { words } = parts;
  const why = reason(item, words);
  const explained = item.kind === "help" || item.kind === "age_check";
  const title = why ? words.say("staff.coming") : text(item, "title", parts) || words.say("ask.other.title");
  const body = why || (explained ? text(item, "body", parts) : words.say("staff.coming"));
  const withdraw = item.kind === "help" ? choices(item, parts) : null; // all else is for staff to answer now
  return h("div", { key: item.id, class: "strip staff", role: "status" }, icon("person"), h("p", {}, h("strong", {}, title), " ", body), withdraw);
}

function hint(item, parts) {
  const { words } = parts;
  const line = text(item, "hint", parts) || text(item, "title", parts) || words.say("ask.other.title");
  const picks = item.kind === "which_removed" ? choices(item, parts) : null;
  return h("div", { key: item.id, class: "strip hint", role: "status" }, icon("note"), h("p", {}, line), picks);
}

function postponed(item, parts) {
  const { local, words, act } = parts;
  const title = text(item, "title", parts) || words.say("ask.other.title");
  const answer = () => act.set({ later: local.later.filter((id) => id !== item.id) });
  return h("div", { key: item.id, class: "strip later" }, icon("hand"), h("p", {}, title), h("button", { onclick: answer }, words.say("do.answer")));
}

/** The first open question, as a card over the stage; null when there is none. */
export function cards(parts) {
  const { view, local, words, act } = parts;
  const open = view.interventions.filter((item) => item.stage === "question" && !local.later.includes(item.id));
  if (open.length === 0) return null;
  const item = open[0];
  const { say } = words;
  const title = text(item, "title", parts) || say("ask.other.title");
  const why = reason(item, words);
  const waiting = ["shopping", "checkout"].includes(view.phase);
  return h(
    "div",
    { key: `question-${item.id}`, class: "over" },
    h(
      "section",
      { class: `card question ${item.kind}`, role: "alertdialog", "aria-labelledby": "question-title", "aria-describedby": "question-body" },
      h("h1", { id: "question-title", tabindex: "-1" }, title),
      h("p", { id: "question-body" }, why && `${why} `, text(item, "body", parts)),
      choices(item, parts),
      (waiting || open.length > 1) && h(
        "footer",
        { key: "footer" },
        h("span", { class: "soft" }, open.length > 1 ? say("ask.more", { n: open.length - 1 }) : ""),
        waiting && h("button", { key: "later", class: "quiet", onclick: () => act.set({ later: [...local.later, item.id] }) }, say("do.later")),
      ),
    ),
  );
}

/** The answers: candidates first, with their price, then the plain choices in the cart's order. */
function choices(item, { words, act }) {
  const { say, money, name } = words;
  const answer = (choice) => () => act.touch({ action: "answer", intervention: item.id, choice });
  const offered = new Set(item.candidates.map((candidate) => candidate.choice));
  const plain = item.choices.filter((choice) => !offered.has(choice));
  if (offered.size + plain.length === 0) return null;
  return h(
    "div",
    { key: "choices", class: `choices ${offered.size > 0 ? "many" : ""}`, role: "group" },
    item.candidates.map((candidate) =>
      h("button", { key: candidate.choice, class: "candidate", onclick: answer(candidate.choice) }, h("span", {}, name(candidate)), h("span", { class: "soft" }, money(candidate.price_minor))),
    ),
    plain.map((choice, index) => h("button", { key: choice, class: offered.size === 0 && index === 0 && !PLAIN_CHOICES.has(choice) ? "primary" : "", onclick: answer(choice) }, label(topic(item, words), choice, words))),
  );
}

const label = (kind, choice, words) => words.say([`choice.${kind}.${choice}`, `choice.${choice}`].find(words.knows) ?? choice);
