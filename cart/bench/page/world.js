// The world's HTTP interface, as the page uses it.

export async function getJson(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

/** Do one verb. Rejects with the world's own line where hands could not do it. */
export async function doVerb(verb, body) {
  let answer;
  try {
    answer = await fetch(`/world/${verb}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body || {}),
    });
  } catch {
    throw new Error("the bench has stopped; start 'cart demo' again");
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.error || `${verb} answered ${answer.status}`);
  return said;
}
