// The one connection to the cart. A view counts as live only while the stream speaks: it says `beat` every two seconds.

const SILENCE_MS_MAX = 7000;
const RETRY_MS = 1000;

/** Call `onView(view)` on each change and `onLost()` as soon as the stream is gone or silent; reconnects by itself. */
export function follow(onView, onLost) {
  let stream;
  let silence;
  let revision;

  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(again, SILENCE_MS_MAX);
  };
  const again = () => {
    stream?.close();
    clearTimeout(silence);
    onLost();
    silence = setTimeout(connect, RETRY_MS);
  };
  const connect = () => {
    revision = -1; // a restarted cart counts anew
    stream = new EventSource("/api/v1/events");
    stream.addEventListener("view", (event) => {
      heard();
      const view = JSON.parse(event.data);
      if (view.revision < revision) return;
      revision = view.revision;
      onView(view);
    });
    stream.addEventListener("beat", heard);
    stream.onerror = again;
    heard();
  };
  connect();
}

/** Send one shopper action. Answers `{ok, message}`; a cart that can't be reached is `{ok: false, message: "unreachable"}`. */
export async function send(touch) {
  try {
    const reply = await fetch("/api/v1/touch", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(touch),
      signal: AbortSignal.timeout(12000),
    });
    const answer = await reply.json();
    return { ok: reply.ok && answer.ok === true, message: answer.message ?? answer.error ?? "" };
  } catch {
    return { ok: false, message: "unreachable" };
  }
}

/** The produce on offer, `[]` when the cart can't say. */
export async function produceOnOffer() {
  try {
    const reply = await fetch("/api/v1/catalog/produce");
    return reply.ok ? (await reply.json()).items : [];
  } catch {
    return [];
  }
}
