// The staff's page: draws the till's state whenever it changes, and sends what a member of staff decides.
const $ = (id) => document.getElementById(id);
const open = new Set(); // carts whose lines are unfolded, kept over redraws
let currency = "EUR";

const CALLS = {
  age_check: "Age check", help: "Asks for help", unscanned_item: "Item not scanned", extra_unit: "One more than scanned",
  wrong_weight: "Weight doesn't fit", wrong_item: "Another item than scanned", which_removed: "Which item was taken out?",
  unknown_barcode: "Unknown barcode", sale_blocked: "Sale blocked", over_capacity: "Too heavy", not_placed: "Not put in",
  basket_changed: "Basket changed while paying", unpaid_item: "Item not paid", light_limit: "Many light items",
};
const STATUS = {
  pending: ["waiting", "wait"], at_till: ["to be paid here", "wait"], approved: ["paid", "good"],
  declined: ["declined", "bad"], cancelled: ["taken back", ""], voided: ["given back", ""], not_found: ["never arrived", ""],
};

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text; // never HTML: names come from catalogues and carts
  if (className) made.className = className;
  return made;
}

function button(text, act, className = "") {
  const made = element("button", text, className);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function money(minor, code = currency) {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency: code });
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

function minorOf(typed) {
  const digits = new Intl.NumberFormat(undefined, { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
  const value = Number(typed.trim().replace(",", "."));
  return Number.isFinite(value) ? Math.round(value * 10 ** digits) : NaN;
}

function typed(minor) {
  const digits = new Intl.NumberFormat(undefined, { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
  return (minor / 10 ** digits).toFixed(digits);
}

let hide;
function say(text) {
  ($("give-back").open ? $("give-back") : document.body).append($("said")); // nothing behind an open dialogue can be read
  $("said").textContent = text;
  $("said").hidden = false;
  clearTimeout(hide);
  hide = setTimeout(() => { $("said").hidden = true; }, 6000);
}

async function send(path, body, done) {
  try {
    const reply = await fetch(`/api/v1/${path}`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
    });
    const answer = await reply.json();
    if (reply.status === 401 && path !== "login") return askPassword();
    say(reply.ok ? done : answer.error);
    return reply.ok;
  } catch {
    say("The till doesn't answer; see whether it still runs.");
    return false;
  }
}

const command = (cart, action, details, done) => send("command", { cart_id: cart, action, ...details }, done);

function drawCall(cart, call) {
  const box = element("div", "", "call");
  box.append(element("strong", CALLS[call.kind] ?? call.kind, "wait"));
  if (call.name) box.append(` · ${call.name}`);
  if (call.reason) box.append(element("div", call.reason, "quiet"));
  const row = element("div", "", "row");
  const id = call.intervention;
  if (call.kind === "age_check") {
    row.append(
      button("Old enough", () => command(cart, "age_ok", { intervention: id }, "Said so to the cart.")),
      button("Not sold", () => command(cart, "age_refused", { intervention: id }, "The cart drops it."), "plain"),
    );
  } else {
    for (const choice of call.choices) {
      row.append(button(choice.replaceAll("_", " "), () =>
        command(cart, "resolve", { intervention: id, choice }, "Said so to the cart."), "plain"));
    }
    row.append(button("Settled", () => command(cart, "resolve", { intervention: id }, "Settled.")));
  }
  box.append(row);
  return box;
}

function drawLines(cart) {
  const details = element("details");
  details.open = open.has(cart.cart_id);
  details.addEventListener("toggle", () => open[details.open ? "add" : "delete"](cart.cart_id));
  details.append(element("summary", cart.total.units === 1 ? "1 item" : `${cart.total.units} items`));
  const table = element("table");
  for (const line of cart.total.lines) {
    const row = element("tr");
    row.append(
      element("td", String(line.units)), element("td", line.name),
      element("td", line.state === "pending" ? "not in yet" : "", "quiet"),
      element("td", money(line.price_minor, cart.total.currency)),
    );
    table.append(row);
  }
  details.append(table);
  return details;
}

function drawCart(cart) {
  const here = cart.status?.online ?? false;
  const calls = here ? cart.help?.calls ?? [] : [];
  const box = element("article", "", calls.length ? "calls" : here ? "" : "away");
  const head = element("header");
  head.append(element("h3", cart.cart_id));
  const phase = !here ? ["not connected", "bad"] : [cart.total?.phase ?? "here", cart.total?.phase === "paid" ? "good" : ""];
  head.append(element("span", cart.total?.locked ? "locked" : phase[0], `badge ${cart.total?.locked ? "bad" : phase[1]}`));
  head.append(element("span", cart.total?.trip_id ? money(cart.total.total_minor, cart.total.currency) : "", "total"));
  box.append(head);
  for (const [part, how] of Object.entries(cart.health?.parts ?? {})) {
    if (how !== "ok") box.append(element("div", `${part}: ${how}`, "bad"));
  }
  if (cart.total?.lines.length) box.append(drawLines(cart));
  for (const call of calls) box.append(drawCall(cart.cart_id, call));
  const row = element("div", "", "row");
  row.append(cart.total?.locked
    ? button("Release", () => command(cart.cart_id, "release", {}, "Released."))
    : button("Lock", () => command(cart.cart_id, "lock", {}, "Locked."), "plain"));
  if (cart.total?.phase === "shopping" || cart.total?.phase === "checkout") {
    row.append(button("Void trip", () => {
      if (confirm(`Void the whole trip on ${cart.cart_id}?`)) command(cart.cart_id, "void_trip", { reason: "at the till" }, "Voided.");
    }, "plain"));
  }
  box.append(row);
  return box;
}

function drawModes(state) {
  $("acquirer").hidden = !state.mode;
  $("modes").replaceChildren(...state.modes.map((mode) => {
    const made = button(mode.replaceAll("_", " "), async () => {
      if (await send("mode", { mode }, `Acquirer from now on: ${mode.replaceAll("_", " ")}.`)) {
        for (const other of $("modes").children) other.setAttribute("aria-pressed", String(other === made));
      }
    }, "plain");
    made.setAttribute("aria-pressed", String(mode === state.mode));
    return made;
  }));
}

function drawWeight(row) {
  const line = element("li", `${row.sku} ${row.name}: `);
  const typed = row.typed_g === null ? "no weight typed" : `${row.typed_g} g typed`;
  const seen = `${row.weight_g} ± ${row.sd_g} g, ${row.units} units on ${row.carts} ${row.carts === 1 ? "cart" : "carts"}`;
  line.append(`${typed}, units weigh ${seen} · `);
  if (!row.agreed) line.append(element("span", "units differ: look at them", "bad"));
  else if (row.wrong) line.append(element("span", "typed wrong: correct it", "bad"));
  else line.append(element("span", row.published ? "all carts know" : "not yet sure", row.published ? "good" : "quiet"));
  return line;
}

function draw(state) {
  currency = state.currency;
  $("store").textContent = state.store_id;
  const several = state.tills > 1 ? `, ${state.tills} tills at work` : "";
  $("link").textContent = state.linked ? `connected to the broker${several}` : "the broker is not reachable";
  $("link").className = state.linked ? "good" : "bad";
  if (state.carts.length) $("carts").replaceChildren(...state.carts.map(drawCart));
  drawModes(state);
  $("no-attempts").hidden = state.attempts.length > 0;
  $("attempts").replaceChildren(...state.attempts.map((row) => {
    const [text, look] = STATUS[row.status];
    const line = element("li", `${row.cart_id} · ${row.method} · ${money(row.captured_minor || row.amount_minor, row.currency)} · `);
    line.append(element("span", text, look));
    if (row.basket_minor) line.append(element("span", ` · a part of ${money(row.basket_minor, row.currency)}`, "quiet"));
    if (row.refunded_minor) line.append(` · ${money(row.refunded_minor, row.currency)} given back`);
    if (row.status === "at_till") line.append(` · ${row.code}`);
    if (row.status === "approved" && !row.withdrawn && row.refunded_minor < (row.captured_minor || row.amount_minor)) line.append(" ", refundButton(row));
    if (row.status === "voided" && row.reason) line.append(` · ${row.reason}`);
    return line;
  }));
  const weights = state.catalogue?.weights ?? [];
  $("weights-section").hidden = !weights.length;
  $("weights").replaceChildren(...weights.map(drawWeight));
  $("security-section").hidden = !state.security.length;
  $("security").replaceChildren(...state.security.map((note) =>
    element("li", `${note.cart_id}: ${note.what.replaceAll("_", " ")} (${note.detail})`)));
}

function refundButton(row) {
  return button("Give back…", () => {
    const left = (row.captured_minor || row.amount_minor) - row.refunded_minor;
    refund = { attempt_id: row.attempt_id, refund_id: crypto.getRandomValues(new Uint32Array(4)).join("-"), left, byHand: row.method === "till" };
    $("give-back-what").textContent = `${row.cart_id}, attempt ${row.attempt_id}: ${money(left, row.currency)} can be given back.`;
    $("give-back-amount").value = typed(left);
    $("give-back-reason").value = "";
    $("give-back").showModal();
    $("give-back-reason").focus();
  }, "plain small");
}

let refund; // what the open dialogue is about; its id makes a second press of the button the same refund
$("give-back-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const amount = minorOf($("give-back-amount").value);
  if (!(amount > 0 && amount <= refund.left)) return say(`Type an amount up to ${money(refund.left)}.`);
  const body = { attempt_id: refund.attempt_id, refund_id: refund.refund_id, amount_minor: amount, reason: $("give-back-reason").value };
  if (await send("refund", body, refund.byHand ? "Booked; hand the money over." : "Given back; the cart hears of it.")) $("give-back").close();
});
$("give-back-leave").addEventListener("click", () => $("give-back").close());

$("code-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const amount = minorOf($("amount").value);
  if (!(amount > 0)) return say("Type the amount as the cart shows it.");
  if (await send("code", { code: $("code").value, amount_minor: amount }, "Paid. The cart hears of it as soon as it is connected.")) {
    event.target.reset();
  }
});
$("release").addEventListener("click", async () => {
  if (await send("release", { code: $("code").value }, "Given back; it can be paid on the cart.")) $("code-form").reset();
});

let events;
function watch() {
  events?.close();
  events = new EventSource("/api/v1/events");
  events.onmessage = (event) => draw(JSON.parse(event.data));
  events.onerror = () => {
    $("link").textContent = "the till doesn't answer";
    $("link").className = "bad";
    if (events.readyState === EventSource.CLOSED) setTimeout(enter, 2000); // refused: logged out, or another answer than a stream
  };
}

function askPassword() {
  events?.close();
  document.querySelector("main").hidden = true;
  $("logout").hidden = true;
  $("link").textContent = "";
  $("login").hidden = false;
  $("password").focus();
  return false;
}

async function enter() {
  const reply = await fetch("/api/v1/state").catch(() => null);
  if (reply === null) return setTimeout(enter, 2000);
  if (reply.status === 401) return askPassword();
  $("login").hidden = true;
  document.querySelector("main").hidden = false;
  const state = await reply.json();
  $("logout").hidden = !state.password;
  draw(state);
  watch();
}

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (await send("login", { password: $("password").value }, "Welcome.")) {
    $("password").value = "";
    enter();
  }
});
$("logout").addEventListener("click", async () => {
  await fetch("/api/v1/logout", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
  askPassword();
});
enter();
