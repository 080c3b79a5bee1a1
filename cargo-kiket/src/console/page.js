"use strict";
// The page of the console: no framework, no build. All text goes into text nodes; nothing is ever read as HTML.
(() => {
  const $ = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";

  /** Makes an element: attributes, `on…` listeners, then children (texts, elements, lists of them; `null` is nothing). */
  function make(space, name, attributes, children) {
    const element = space ? document.createElementNS(SVG, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (key === "value") element.value = value;
      else element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.flat(9).filter((it) => it !== null && it !== undefined && it !== false));
    return element;
  }
  const h = (name, attributes, ...children) => make(false, name, attributes, children);
  const s = (name, attributes, ...children) => make(true, name, attributes, children);

  // What is known. `deliveries` is by number, in the order of arrival.
  const known = { epoch: "", changed: 0, deliveries: new Map(), notices: [], status: {}, missed: 0 };
  let detail = null; // what the server says of the delivery that is open
  let view = { name: "deliveries" };
  let found = null; // the numbers that a search of all texts has found
  let connected = false;

  // The session.

  const PROOF = "kiket-console-proof";
  const proof = () => localStorage.getItem(PROOF) || "";
  const headers = (more) => ({ "X-Kiket-Console": proof() || "1", ...more });

  class Refused extends Error {
    constructor(status, body) {
      super(body.error || `the console responded with ${status}`);
      Object.assign(this, { status, body });
    }
  }

  async function ask(path, body) {
    const post = body !== undefined;
    const response = await fetch(path, {
      method: post ? "POST" : "GET",
      headers: headers(post ? { "Content-Type": "application/json" } : {}),
      body: post ? JSON.stringify(body) : undefined,
    });
    const json = await response.json().catch(() => ({}));
    if (response.status === 401) gate(true);
    if (!response.ok) throw new Refused(response.status, json);
    return json;
  }

  /** Exchanges the token of the link, if there is one, and takes it out of the address. */
  async function enter() {
    const token = /^#([0-9a-f]{64})$/.exec(location.hash);
    if (!token) return;
    history.replaceState(null, "", "#/");
    try {
      localStorage.setItem(PROOF, (await ask("/api/session", { token: token[1] })).proof);
      gate(false);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }

  function gate(closed) {
    if ($("gate").hidden !== closed) return;
    $("gate").hidden = !closed;
    show();
  }

  // The stream of changes. It is read by hand, for an `EventSource` sends no header.

  async function listen() {
    let pause = 250;
    for (;;) {
      try {
        const response = await fetch(`/api/events?epoch=${known.epoch}&after=${known.changed}`, { headers: headers() });
        if (response.status === 401) gate(true);
        if (!response.ok) throw new Error(response.status);
        gate(false);
        connected = true;
        pause = 250;
        state();
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let text = "";
        for (;;) {
          const { value, done } = await reader.read();
          if (done) break;
          text += value;
          const messages = text.split("\n\n");
          text = messages.pop();
          for (const message of messages) if (message.startsWith("data: ")) take(JSON.parse(message.slice(6)));
        }
      } catch {
        // The console is not there, or does not know this page: try again.
      }
      connected = false;
      state();
      await new Promise((go) => setTimeout(go, pause));
      pause = Math.min(pause * 2, 3000);
    }
  }

  function take(message) {
    if (message.whole) {
      known.deliveries.clear();
      known.notices = [];
      $("rows").replaceChildren();
      rows.clear();
    }
    known.epoch = message.epoch;
    known.changed = message.changed;
    known.missed = message.missed;
    if (message.status) known.status = message.status;
    known.notices.push(...message.notices);
    known.notices.splice(0, known.notices.length - 200);
    const fresh = !message.whole;
    for (const delivery of message.deliveries) {
      const before = known.deliveries.get(delivery.id);
      known.deliveries.set(delivery.id, delivery);
      if (fresh && delivery.ended && !(before && before.ended)) announce(delivery);
    }
    for (const id of known.deliveries.keys()) {
      if (message.oldest !== null && id >= message.oldest) break;
      known.deliveries.delete(id);
    }
    state();
    list(message.deliveries, fresh);
    if (view.name === "overview") overview();
    if (view.name === "deliveries" && view.id && message.deliveries.some((it) => it.id === view.id || (detail && related(it)))) open(view.id);
  }

  const related = (it) => it.of === view.id || (detail.summary.delivery_id && it.delivery_id === detail.summary.delivery_id);

  // A screen reader hears the last one of those that end within a moment.
  let pause = 0;
  let unsaid = null;
  function announce(delivery) {
    unsaid = delivery;
    if (pause) return;
    $("live").textContent = `${name(delivery)}: ${outcome(delivery)}`;
    unsaid = null;
    pause = setTimeout(() => {
      pause = 0;
      if (unsaid) announce(unsaid);
    }, 1500);
  }

  // Texts.

  const name = (it) => it.event || `${it.method} ${it.target}`;
  const two = (number) => String(number).padStart(2, "0");
  function clock(at) {
    const date = new Date(at);
    return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  }
  function span(microseconds) {
    if (microseconds === null || microseconds === undefined) return "";
    const ms = microseconds / 1000;
    if (ms < 10) return `${ms.toFixed(1)} ms`;
    if (ms < 1000) return `${Math.round(ms)} ms`;
    return `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`;
  }
  function seconds(value) {
    const units = [[86400, "d"], [3600, "h"], [60, "min"]];
    for (const [size, unit] of units) if (value >= size) return `${Math.floor(value / size)} ${unit}`;
    return `${Math.round(value)} s`;
  }
  const bytes = (size) => (size < 1024 ? `${size} B` : size < 1 << 20 ? `${(size / 1024).toFixed(1)} KiB` : `${(size / (1 << 20)).toFixed(1)} MiB`);
  const many = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  function kind(it) {
    if (!it.ended) return "run";
    if (it.status === null) return "bad";
    return it.status < 300 ? "good" : it.status < 400 ? "" : it.status < 500 && it.status !== 429 ? "warn" : "bad";
  }
  const outcome = (it) => (it.ended ? (it.status ? `${it.status}${it.code ? ` ${it.code}` : ""} in ${span(it.took)}` : `no response: ${it.nothing}`) : "running");
  const badge = (it) => h("span", { class: `badge ${kind(it)}` }, it.ended ? String(it.status || "none") : "···");
  /** A text with `code` in backticks. */
  const rich = (text) => text.split("`").map((part, at) => (at % 2 ? h("code", { class: "code" }, part) : part));
  const inboxText = (it, state) => [`Row ${it.row}${state}, accepted ${seconds((Date.now() - it.accepted) / 1000)} ago`, it.attempts > 0 && `, ${many(it.attempts, "attempt")}`, it.state === "waiting" && it.due > Date.now() && [", the next ", h("span", { "data-until": it.due }, until(it.due))]];
  /** What moves a row of the inbox on: a dead one waits again, one that waits runs now. */
  function moveButton(it) {
    if (it.state !== "dead" && !(it.state === "waiting" && it.due > Date.now())) return null;
    return h("button", { type: "button", class: "move", id: `move-${it.row}`, "aria-label": `${it.state === "dead" ? "Redrive" : "Run now"}: row ${it.row}`, onclick: () => moveOn(it.row) }, it.state === "dead" ? "Redrive" : "Run now");
  }
  const FROM = { outside: "from outside", platform: "fake platform", console: "console" };

  function toast(text, kind, ...more) {
    const element = h("div", { class: kind || "" }, h("span", {}, text), more);
    $("toasts").append(element);
    setTimeout(() => element.remove(), kind === "bad" ? 9000 : 5000);
  }

  // The head.

  function state() {
    const { extension, state, url } = known.status;
    const states = {
      starting: ["warn", "Starting"],
      running: ["good", "Running"],
      building: ["warn", "Building"],
      failed: ["bad", "Build failed"],
      stopped: ["bad", "Stopped"],
    };
    const [kind, text] = connected ? states[state] || ["", "Connected"] : ["warn", "Reconnecting"];
    if ($("state").textContent !== text) $("state").textContent = text;
    $("state").className = `pill ${kind}`;
    $("extension").textContent = extension || "kiket console";
    $("address").textContent = url || "";
    $("count").textContent = known.deliveries.size || "";
    document.title = extension ? `${extension} · kiket` : "kiket console";
    $("missed").hidden = !known.missed;
    $("missed").textContent = `${many(known.missed, "thing")} came faster than the console records.`;
  }

  // The list.

  const rows = new Map();

  function row(it) {
    const from = FROM[it.from] && h("span", { class: "tag" }, it.of ? `replay of #${it.of}` : FROM[it.from]);
    const tags = [
      from,
      it.replayed && h("span", { class: "tag" }, "stored reply"),
      it.attempt > 1 && h("span", { class: "tag" }, `attempt ${it.attempt}`),
      it.calls > 0 && h("span", { class: "tag" }, many(it.calls, "call")),
      it.saved && h("span", { class: "tag" }, "saved"),
    ];
    return h(
      "a",
      { href: `#/deliveries/${it.id}`, "aria-label": `${name(it)}, ${outcome(it)}, ${clock(it.at)}` },
      badge(it),
      h("span", { class: "name" }, name(it), it.version && h("small", {}, ` ${it.version}`)),
      h("span", { class: "took" }, it.ended ? span(it.took) : ""),
      h("span", { class: "sub" }, tags, tags.some(Boolean) ? " " : "", it.delivery_id || it.target),
      h("span", { class: "time" }, clock(it.at)),
    );
  }

  function list(changed, fresh) {
    for (const it of changed) {
      const made = row(it);
      let element = rows.get(it.id);
      const isNew = !element;
      if (isNew) {
        element = h("li", { "data-id": String(it.id) });
        rows.set(it.id, element);
        $("rows").prepend(element);
        if (fresh) element.classList.add("fresh");
      }
      // The link stays: a click may be under way.
      const link = element.firstChild;
      if (link) {
        link.setAttribute("aria-label", made.getAttribute("aria-label"));
        link.replaceChildren(...made.childNodes);
      } else {
        element.append(made);
      }
    }
    for (const [id, element] of rows) {
      if (!known.deliveries.has(id)) {
        element.remove();
        rows.delete(id);
      }
    }
    const names = [...new Set([...known.deliveries.values()].map(name))].sort();
    const select = $("event");
    if (select.options.length !== names.length + 1 || names.some((it, at) => select.options[at + 1].value !== it)) {
      const chosen = select.value;
      select.replaceChildren(h("option", { value: "" }, "All events"), ...names.map((it) => h("option", { value: it }, it)));
      select.value = names.includes(chosen) ? chosen : "";
    }
    filter();
  }

  function fits(it) {
    const status = $("status").value;
    if ($("event").value && name(it) !== $("event").value) return false;
    if (status === "run" && it.ended) return false;
    if (status === "bad" && !(it.ended && (it.status === null || it.status >= 400))) return false;
    if (/\d/.test(status) && String(it.status)[0] !== status) return false;
    const text = $("search").value.trim().toLowerCase();
    if (!text) return true;
    if (found && found.text === text && found.ids.has(it.id)) return true;
    const own = [name(it), it.version, it.delivery_id, it.target, it.status, it.code, `#${it.id}`];
    return own.some((part) => part !== null && part !== undefined && String(part).toLowerCase().includes(text));
  }

  let shown = [];
  function filter() {
    shown = [];
    for (const it of [...known.deliveries.values()].reverse()) {
      const element = rows.get(it.id);
      const fit = fits(it);
      element.hidden = !fit;
      if (fit) shown.push(it.id);
      const link = element.firstChild;
      if (it.id === view.id && view.name === "deliveries") link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const empty = $("empty");
    empty.hidden = shown.length > 0;
    if (empty.hidden) return;
    if (known.deliveries.size) {
      empty.replaceChildren(h("h2", {}, "Nothing fits"), h("p", {}, "No delivery fits the search and the filters."), h("button", { type: "button", onclick: clear }, "Show all"));
    } else {
      const lead = h("p", {}, "Each delivery shows here as soon as it arrives, also those that are refused. Send the first one from a terminal:");
      empty.replaceChildren(h("h2", {}, "No deliveries yet"), lead, h("code", {}, "cargo kiket send issue.created"), h("a", { href: "#/send" }, "or from here"));
    }
  }

  function clear() {
    $("search").value = "";
    $("event").value = "";
    $("status").value = "";
    found = null;
    filter();
  }

  // Texts are searched by the server, which has them; all else is searched here, at once.
  let searching = 0;
  async function search() {
    filter();
    const text = $("search").value.trim().toLowerCase();
    const mine = ++searching;
    if (text.length < 2) return;
    await new Promise((go) => setTimeout(go, 120));
    if (mine !== searching) return;
    try {
      const ids = new Set((await ask(`/api/search?q=${encodeURIComponent(text)}`)).found);
      if (mine === searching) found = { text, ids };
    } catch {
      return;
    }
    filter();
  }

  // One delivery.

  // While the pointer is down nothing is drawn anew, so that no click gets lost.
  let pressed = false;
  let late = false;
  document.addEventListener("pointerdown", () => (pressed = true));
  for (const event of ["pointerup", "pointercancel"]) {
    document.addEventListener(event, () => setTimeout(() => {
      pressed = false;
      if (late && detail && view.id === detail.record.id) showDetail();
      late = false;
    }));
  }

  let opening = 0;
  let shownText = "";
  async function open(id) {
    const mine = ++opening;
    try {
      const loaded = await ask(`/api/deliveries/${id}`);
      if (mine !== opening || view.id !== id) return;
      const text = JSON.stringify(loaded);
      const same = detail && detail.record.id === id && shownText === text && $("detail").dataset.id === String(id);
      detail = loaded;
      shownText = text;
      if (same) return;
      if (pressed) late = true;
      else showDetail();
    } catch (error) {
      if (mine !== opening || view.id !== id || !(error instanceof Refused)) return;
      detail = null;
      $("detail").replaceChildren(back(), h("div", { class: "empty" }, h("h2", {}, "Gone"), h("p", {}, error.message)));
    }
  }

  const back = () => h("a", { class: "back", href: "#/" }, "← All deliveries");

  function showDetail() {
    const { record, summary, why, again, handler } = detail;
    const scroll = $("detail").dataset.id === String(record.id) ? $("detail").scrollTop : 0;
    const focused = $("detail").contains(document.activeElement) ? document.activeElement.id : "";
    const openCalls = new Set([...$("detail").querySelectorAll("details[open]")].map((it) => it.dataset.at));
    const same = $("detail").dataset.id === String(record.id);
    $("detail").dataset.id = record.id;
    const previous = detail.before || detail.attempts[detail.attempt - 2];
    const actions = h(
      "div",
      { class: "actions" },
      h("button", { type: "button", class: "primary", id: "replay", onclick: () => replay(false) }, "Replay"),
      h("button", { type: "button", id: "same", onclick: () => replay(true), title: "The handler does not run again if the reply is stored" }, "Replay with the same id"),
      h("button", { type: "button", id: "edit", onclick: edit }, "Edit and replay"),
      h("button", { type: "button", id: "save", onclick: save }, "Save as test"),
      previous && h("button", { type: "button", id: "compare", onclick: () => go(`#/diff/${previous.id}/${record.id}`) }, `Compare with #${previous.id}`),
    );
    const version = record.version && h("small", {}, ` ${record.version}`);
    const parts = [record.delivery_id, clock(record.at), summary.ended && summary.took !== null ? span(summary.took) : null, FROM[record.from]];
    const title = h(
      "div",
      { class: "title" },
      badge(summary),
      h("div", {}, h("h2", {}, name(record), version), h("p", {}, `#${record.id} · ${parts.filter(Boolean).join(" · ")}`)),
    );
    const blocks = [
      back(),
      title,
      actions,
      explanation(record, summary, why, again),
      attempts(detail, again),
      facts(record, handler),
      calls(record, summary, openCalls),
      body("Payload", record.body, "payload", `${record.method} ${record.target}`, !record.is_whole && record.body.size <= 64 * 1024),
      record.response && record.response.status && body("Response", record.response.body, "response", headerLine(record.response.headers)),
      log(record),
    ];
    $("detail").replaceChildren(...blocks.filter(Boolean));
    $("detail").scrollTop = same ? scroll : 0;
    if (same && focused && $(focused)) $(focused).focus({ preventScroll: true });
  }

  const headerLine = (list) => list.filter(([key]) => ["content-type", "retry-after", "x-kiket-replayed"].includes(key)).map(([key, value]) => `${key}: ${value}`).join(" · ");

  function note(kind, title, ...content) {
    return h("div", { class: `note ${kind}` }, h("div", {}, h("h3", {}, title), content));
  }

  /** Why it ended so, and whether it comes again. */
  function explanation(record, summary, why, again) {
    const notes = [];
    if (!summary.ended) notes.push(note("", "Running", h("p", {}, "The extension has not responded yet.")));
    const { signature } = record;
    if (summary.status === 401) notes.push(refusal(signature, record));
    else if (why) {
      const quiet = why.ran || summary.replayed;
      const title = summary.replayed ? "A stored reply" : why.ran ? "The handler ran, and this came of it" : "The handler was not called";
      notes.push(note(quiet && summary.replayed ? "" : kind(summary), title, h("p", {}, rich(why.what)), why.help && h("p", { class: "muted" }, rich(why.help)), errorText(record)));
    }
    if (again && (again.again || again.lost)) {
      const title = again.again ? ["Comes again ", h("span", { class: "when", "data-until": again.at }, until(again.at)), `, at ${clock(again.at)}`] : "Does not come again";
      notes.push(note(again.again ? "warn" : "bad", title, h("p", {}, rich(again.what))));
    }
    return notes.length ? h("section", { class: "card", id: "why", "aria-label": "Why" }, notes) : null;
  }

  function errorText(record) {
    const text = record.response && record.response.body.json && !record.response.body.cut ? JSON.parse(record.response.body.text).error : null;
    const line = record.lines.map((it) => it.fields.find(([key]) => key === "error")).find(Boolean);
    const texts = [typeof text === "string" ? text : null, line && line[1] !== text ? line[1] : null].filter(Boolean);
    return texts.map((it) => h("p", {}, h("code", { class: "code" }, it)));
  }

  function refusal(signature, record) {
    if (signature.state === "refused") {
      const { verdict } = signature;
      if (verdict.accepted) {
        return note("bad", "The handler was not called: refused", h("p", {}, "The signature holds with the secret of this console. The process has another secret, or it asks for a runtime token; its log has the cause."));
      }
      const causes = verdict.causes.map((it) => h("li", {}, h("b", {}, rich(capital(it.what))), h("p", { class: "fix" }, rich(`${capital(it.fix)}.`)), h("span", { class: "id" }, it.id)));
      const unknown = !verdict.explained && h("p", { class: "muted" }, `No ${causes.length ? "other " : ""}known mistake makes this signature with the secrets at hand${verdict.exhaustive ? "" : "; the body is large, and not all of them were tried"}. Compare the secrets of both sides.`);
      return note("bad", "The handler was not called: the signature was refused", h("p", {}, `${capital(verdict.text)}.`), causes.length > 0 && h("ul", { class: "causes" }, causes), unknown);
    }
    const texts = {
      examined: "The known mistakes are being tried…",
      accepted: "The signature holds. The extension asks for a runtime token, or it has another secret; its log has the cause.",
      unexamined: capital(signature.why || ""),
      unknown: "No webhook secret is known here: set `KIKET_WEBHOOK_SECRET` for `cargo kiket dev`, too.",
    };
    return note("bad", "The handler was not called: refused", h("p", {}, rich(texts[signature.state] || "The log of the extension has the cause.")));
  }

  const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

  function until(at) {
    const left = Math.round((at - Date.now()) / 1000);
    if (left <= 0) return "now";
    return `in ${left < 120 ? `${left} s` : left < 7200 ? `${Math.round(left / 60)} min` : `${Math.round(left / 3600)} h`}`;
  }

  /** The attempts on a line, and the one that comes. */
  function attempts({ attempts, replays, record }, again) {
    const all = [...attempts];
    for (const it of replays) if (!all.some((other) => other.id === it.id)) all.push(it);
    if (detail.before && !all.some((it) => it.id === detail.before.id)) all.unshift(detail.before);
    all.sort((one, other) => one.id - other.id);
    const comes = again && again.again && all[all.length - 1].id === record.id;
    if (all.length < 2 && !comes) return null;
    const items = all.map((it) =>
      h(
        "li",
        { class: kind(it) },
        h("a", { href: `#/deliveries/${it.id}`, "aria-current": it.id === record.id }, it.ended ? String(it.status || "no response") : "running", it.replayed ? " stored" : ""),
        h("small", {}, clock(it.at), it.took === null ? "" : ` · ${span(it.took)}`),
        it.of ? h("small", {}, `replay of #${it.of}`) : it.delivery_id === record.delivery_id && it.attempt ? h("small", {}, `attempt ${it.attempt}`) : null,
      ),
    );
    if (comes) items.push(h("li", { class: "next" }, h("span", { "data-until": again.at }, until(again.at)), h("small", {}, clock(again.at)), h("small", {}, "the next attempt")));
    return h("section", { class: "card", id: "attempts", "aria-label": "Attempts" }, h("header", {}, h("h3", {}, "Attempts and replays")), h("ol", { class: "attempts" }, items));
  }

  function facts(record, handler) {
    const list = [];
    const add = (term, ...content) => list.push(h("dt", {}, term), h("dd", {}, content));
    const named = handler ? [h("code", {}, handler.function), h("span", { class: "muted" }, ` ${handler.file}:${handler.line}`)] : record.handler && h("code", {}, record.handler);
    if (named) add("Handler", named);
    if (handler) {
      const scopes = handler.scopes.length ? ["scopes ", handler.scopes.map((it) => [h("code", { class: "code" }, it), " "])] : null;
      add("Runs", handler.deferred ? "after the response" : "at once", `, ${span(handler.timeout_ms * 1000)} at most`, scopes ? [", ", scopes] : null);
    }
    const { signature } = record;
    const age = (value) => (value < 0 ? `${-value} s ahead` : `${value} s old`);
    const texts = {
      accepted: () => `Holds with ${signature.secret === 0 ? "the current secret" : `live secret ${signature.secret} (0 is the current one)`}, ${age(signature.age)}`,
      not_needed: () => "Does not hold, and was not asked for: a runtime token was",
      examined: () => "Refused; the known mistakes are being tried",
      refused: () => (signature.verdict.accepted ? "Holds with the secret of this console" : `Refused: ${signature.verdict.reason}`),
      unexamined: () => "Refused, and not examined",
      unknown: () => null,
    };
    const signed = texts[signature.state]();
    if (signed) add("Signature", signed, record.signature_form && h("span", { class: "muted" }, ` · ${record.signature_form.replaceAll("`", "")}`));
    if (detail.deduplication) add("Deduplication", rich(detail.deduplication));
    if (detail.inbox) add("Inbox", inboxText(detail.inbox, `: ${detail.inbox.state}`), detail.inbox.error && h("p", {}, h("code", { class: "code" }, detail.inbox.error)), moveButton(detail.inbox));
    if (detail.again && !detail.again.again && !detail.again.lost) add("Comes again", rich(detail.again.what));
    if (record.response && record.response.took !== null) add("Took", span(record.response.took));
    if (detail.placeholders.length) add("Secrets", detail.placeholders.map((it) => [h("code", { class: "hid" }, it), " "]), h("span", { class: "muted" }, "not kept; a replay takes them from variables of these names"));
    if (record.saved) add("Saved as", h("code", {}, record.saved));
    const shownHeaders = record.headers.map(([key, value]) => h("div", {}, h("span", { class: "muted" }, `${key}: `), value));
    add("Headers", shownHeaders.length ? h("div", { class: "mono" }, shownHeaders) : "none of those that are shown");
    return h("section", { class: "card", "aria-label": "Facts" }, h("dl", { class: "facts" }, list));
  }

  function calls(record, summary, openCalls) {
    if (!record.calls.length) return null;
    const whole = Math.max(summary.took || 0, ...record.calls.map((it) => it.after + (it.took || 0)), 1);
    const track = (from, length, bad) => {
      const bar = h("i", { class: bad ? "bad" : "" });
      bar.style.left = `${Math.min((100 * from) / whole, 99)}%`;
      bar.style.width = `${Math.min(100, (100 * length) / whole)}%`;
      return h("span", { class: "track", "aria-hidden": "true" }, bar);
    };
    const items = record.calls.map((it, at) => {
      const status = { ended: true, status: it.status };
      const line = h("summary", { id: `call-${at}` }, badge(status), h("span", { class: "path" }, `${it.method} ${it.path}`), track(it.after, it.took || 0, !it.status || it.status >= 400), h("span", { class: "took" }, span(it.took)));
      const part = (title, content) => h("div", {}, h("h4", {}, title), h("pre", {}, content.text ? pretty(content) : h("span", { class: "muted" }, "empty")));
      const two = h("div", { class: "two" }, part("Request", it.request), part("Response", it.response));
      const doubt = !it.certain && h("p", { class: "muted in" }, "Other deliveries ran at the same time: this call may be of one of them.");
      return h("details", { "data-at": String(at), open: openCalls.has(String(at)) }, line, doubt, two);
    });
    const own = h("div", { class: "bar-row" }, badge(summary), h("span", { class: "path" }, record.handler || "the delivery"), track(0, summary.took || whole), h("span", { class: "took" }, span(summary.took)));
    const left = record.left_out ? `${record.left_out} more lines and calls are not kept` : many(record.calls.length, "call");
    return h("section", { class: "card", id: "calls", "aria-label": "Outbound calls" }, h("header", {}, h("h3", {}, "Calls to Kiket"), h("span", { class: "muted" }, left)), h("div", { class: "fall" }, own, items));
  }

  const forms = {}; // whether each body is shown pretty or raw
  function body(title, content, id, subtitle, broke) {
    const raw = forms[id] === "raw" || !content.json;
    const shape = (value, text) => h("button", { type: "button", id: `${id}-${value}`, "aria-pressed": String((value === "raw") === raw), onclick: () => { forms[id] = value; showDetail(); } }, text);
    const remarks = [bytes(content.size), content.cut && "only the beginning is kept", !content.exact && content.json && "written again, without secrets"];
    const pre = h("pre", { id, tabindex: "0", "aria-label": title }, content.text ? (raw ? marked(content.text) : pretty(content)) : h("span", { class: "muted" }, broke ? "broke off before its end" : content.cut ? "too large to keep" : "empty"));
    return h(
      "section",
      { class: "card", "aria-label": title },
      h("header", {}, h("div", {}, h("h3", {}, title), subtitle && h("span", { class: "muted mono" }, subtitle)), h("div", { class: "row" }, h("span", { class: "muted" }, `${remarks.filter(Boolean).join(", ")}  `), content.json && h("span", { class: "tabs" }, shape("pretty", "Pretty"), shape("raw", "Raw")))),
      pre,
    );
  }

  /** A text, with the placeholders of secrets marked. */
  function marked(text) {
    return text.split(/(<redacted:[^>]*>)/).map((part, at) => (at % 2 ? h("span", { class: "hid" }, part) : part));
  }

  /** JSON with indentation and colours. Numbers and texts stay as they were written. */
  function pretty(content) {
    if (!content.json) return marked(content.text);
    const tokens = content.text.match(/"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s{}[\],:"]+/g) || [];
    const out = [];
    let depth = 0;
    const line = () => out.push(`\n${"  ".repeat(depth)}`);
    tokens.forEach((token, at) => {
      const next = tokens[at + 1];
      if (token === "{" || token === "[") {
        out.push(token);
        if (next === "}" || next === "]") return;
        depth += 1;
        line();
      } else if (token === "}" || token === "]") {
        if (tokens[at - 1] !== "{" && tokens[at - 1] !== "[") {
          depth = Math.max(0, depth - 1);
          line();
        }
        out.push(token);
      } else if (token === ",") {
        out.push(token);
        line();
      } else if (token === ":") {
        out.push(": ");
      } else if (token.startsWith('"')) {
        out.push(h("span", { class: next === ":" ? "k" : "s" }, marked(token)));
      } else {
        out.push(h("span", { class: "n" }, token));
      }
    });
    return out;
  }

  function log(record) {
    const quiet = ["event", "version", "delivery_id", "handler"];
    const items = record.lines.map((it) =>
      h(
        "li",
        {},
        h("time", {}, it.time ? it.time.slice(11, 23) : ""),
        h("span", { class: `lv ${it.level || ""}` }, it.level || ""),
        h("div", {}, it.text, " ", h("span", { class: "f" }, it.fields.filter(([key]) => !quiet.includes(key)).map(([key, value]) => [h("b", {}, key), `=${value} `]))),
      ),
    );
    const content = items.length ? h("ol", { class: "log" }, items) : h("p", { class: "in muted" }, "No line of the log names this delivery.");
    return h("section", { class: "card", id: "log", "aria-label": "Log" }, h("header", {}, h("h3", {}, "Log"), h("span", { class: "muted" }, items.length ? many(items.length, "line") : "")), content);
  }

  // What it does.

  async function send(request) {
    try {
      const { id, notes } = await ask("/api/send", request);
      notes.forEach((it) => toast(capital(it)));
      go(`#/deliveries/${id}`);
      toast(request.of ? `Replayed #${request.of} as #${id}` : `Sent as #${id}`, "good", request.of && h("button", { type: "button", onclick: () => go(`#/diff/${request.of}/${id}`) }, "Compare"));
      return true;
    } catch (error) {
      const more = error.body && error.body.missing && error.body.missing.length ? h("button", { type: "button", onclick: () => send({ ...request, force: true }) }, "Send without") : null;
      toast(capital(error.message), "bad", more);
      return false;
    }
  }

  function replay(same) {
    if (detail) send({ of: detail.record.id, same_id: same });
  }

  function edit() {
    if (detail) go(`#/send/${detail.record.id}`);
  }

  function save() {
    if (!detail) return;
    const { record, capture_name: proposed } = detail;
    const input = h("input", { name: "name", value: proposed, spellcheck: "false", autocomplete: "off" });
    const problem = h("p", { class: "bad", role: "alert" });
    const dialog = h(
      "dialog",
      { "aria-labelledby": "save-title" },
      h("h2", { id: "save-title" }, "Save as a test"),
      h("p", { class: "muted" }, rich("A capture in `captures/`, without secrets. `#[kiket::replay(\"captures/*.json\")]` makes a test of it.")),
      h("form", { method: "dialog", onsubmit: submit }, h("label", {}, "Name", input), problem, h("div", { class: "actions" }, h("button", { class: "primary" }, "Save"), h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))),
    );
    async function submit(event) {
      event.preventDefault();
      try {
        const { path } = await ask("/api/save", { id: record.id, name: input.value.trim() });
        dialog.close();
        toast(`Saved as ${path}`, "good");
      } catch (error) {
        problem.textContent = capital(error.message);
      }
    }
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    input.select();
  }

  // The form.

  async function form(of) {
    const target = $("send");
    let known;
    let before = null;
    try {
      known = await ask("/api/form");
      if (of) before = (await ask(`/api/deliveries/${of}`)).record;
    } catch (error) {
      target.replaceChildren(h("p", { class: "empty" }, capital(error.message)));
      return;
    }
    if (view.name !== "send" || (view.of || null) !== (of || null)) return;
    const own = [...new Set(known.handlers.map((it) => it.event))].sort();
    const documented = [...new Set(known.bodies.map((it) => it.event))].filter((it) => it.includes(".") && !own.includes(it)).sort();
    const names = [...own, ...documented];
    const event = h("input", { list: "events", value: before ? before.event || "" : own[0] || "issue.created", required: true, spellcheck: "false", autocomplete: "off" });
    const options = h("datalist", { id: "events" }, names.map((it) => h("option", { value: it }, own.includes(it) ? "has a handler" : "")));
    const version = h("input", { value: before ? before.version || "v1" : "v1", required: true, spellcheck: "false", autocomplete: "off" });
    const shape = h("select", {});
    const text = h("textarea", { spellcheck: "false", "aria-label": "Payload", id: "body" });
    const problem = h("p", { class: "bad", role: "alert" });
    const fresh = h("input", { type: "checkbox", checked: true, id: "fresh" });
    const button = h("button", { class: "primary" }, before ? "Send it again" : "Send");
    const choose = () => {
      const shapes = known.bodies.filter((it) => it.event === event.value);
      shape.replaceChildren(...shapes.map((it) => h("option", { value: it.shape }, it.shape)));
      shape.disabled = !shapes.length;
      if (before) return;
      const handler = known.handlers.find((it) => it.event === event.value);
      if (handler) version.value = handler.version;
      if (shapes.length) text.value = indented(shapes[0].body);
      check();
    };
    const check = () => {
      let message = "";
      try {
        const json = JSON.parse(text.value);
        if (json === null || typeof json !== "object" || Array.isArray(json)) message = "Kiket sends JSON objects.";
      } catch (error) {
        message = `No JSON: ${error.message}`;
      }
      problem.textContent = message;
    };
    event.addEventListener("input", choose);
    shape.addEventListener("change", () => {
      const chosen = known.bodies.find((it) => it.event === event.value && it.shape === shape.value);
      if (chosen) text.value = indented(chosen.body);
      check();
    });
    text.addEventListener("input", check);
    if (before) text.value = before.body.json ? plain(before.body) : before.body.text;
    choose();
    check();
    if (before && before.body.cut) {
      button.disabled = true;
      problem.textContent = "Only the beginning of this body is kept.";
    }
    const submit = async (submitted) => {
      submitted.preventDefault();
      button.disabled = true;
      const changed = !before || event.value !== before.event || version.value !== (before.version || "v1");
      await send({ of: of || null, event: changed ? event.value : null, version: changed ? version.value : null, body: text.value, same_id: !fresh.checked });
      button.disabled = false;
    };
    const lead = before ? `Replays #${of}, signed anew. Placeholders like <redacted:NAME> become the variables of these names.` : "A signed delivery, as Kiket sends it. The payload is that of the event as it is documented.";
    target.replaceChildren(
      h("h2", {}, before ? "Edit and replay" : "Send a delivery"),
      h("p", { class: "muted" }, lead),
      h(
        "form",
        { class: "form", onsubmit: submit },
        h("div", { class: "fields" }, h("label", {}, "Event", event, options), h("label", {}, "Version", version), h("label", {}, "Shape", shape)),
        h("label", {}, "Payload", text),
        h("div", { class: "end" }, button, h("label", { class: "check" }, fresh, "with a new id"), before && h("a", { href: `#/deliveries/${of}` }, "Cancel"), problem),
      ),
    );
    if (before) text.focus();
  }

  const indented = (text) => { try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; } };
  /** The same as `pretty`, as text. */
  const plain = (content) => h("div", {}, pretty(content)).textContent;

  // The comparison.

  async function compare(one, other) {
    const target = $("diff");
    try {
      const [diff, before, after] = await Promise.all([ask(`/api/diff?a=${one}&b=${other}`), ask(`/api/deliveries/${one}`), ask(`/api/deliveries/${other}`)]);
      if (view.name !== "diff" || view.one !== one || view.other !== other) return;
      const signs = { "-": "del", "+": "add", " ": "" };
      const words = { "-": "before: ", "+": "after: ", " ": "" };
      const side = ({ summary }, word) => h("a", { href: `#/deliveries/${summary.id}` }, badge(summary), h("div", {}, h("b", {}, `${word}: #${summary.id}`), h("small", {}, `${name(summary)} · ${clock(summary.at)}${summary.took === null ? "" : ` · ${span(summary.took)}`}`)));
      const lines = diff.lines.map(([sign, text]) => h("div", { class: signs[sign] }, h("span", { "aria-hidden": "true" }, sign), h("span", {}, words[sign] && h("span", { class: "unseen" }, words[sign]), marked(text))));
      target.replaceChildren(
        h("h2", {}, "Two responses"),
        h("p", { class: "muted" }, diff.same ? "They are the same." : `${many(diff.lines.filter(([sign]) => sign !== " ").length, "line")} differ.`),
        h("div", { class: "versus" }, side(before, "Before"), side(after, "After")),
        h("div", { class: "card lines" }, lines),
      );
    } catch (error) {
      target.replaceChildren(h("p", { class: "empty" }, capital(error.message)));
    }
  }

  // The inbox.

  async function moveOn(row) {
    try {
      const { rows } = await ask("/api/inbox", { row });
      toast(rows ? `${many(rows, "row")} of the inbox ${rows === 1 ? "is" : "are"} due again` : "No row was moved: it runs, or has ended", rows ? "good" : "");
    } catch (error) {
      toast(capital(error.message), "bad");
    }
    look();
  }

  /** Looks at the inbox again, where it is shown. */
  function look() {
    if (view.name === "overview") loadInbox();
    else if (view.name === "deliveries" && view.id && detail && detail.handler && detail.handler.deferred && !(detail.inbox && detail.inbox.state === "done")) open(view.id);
  }

  /** The rows that have not ended, the dead ones first. */
  function inboxRows() {
    if (!inboxed || !inboxed.length) return null;
    const dead = inboxed.filter((it) => it.state === "dead").length;
    const items = inboxed.map((it) =>
      h(
        "li",
        {},
        h("span", { class: `badge ${it.state === "dead" ? "bad" : it.state === "running" ? "run" : ""}` }, it.state),
        h("div", {}, it.delivery ? h("a", { href: `#/deliveries/${it.delivery}`, id: `row-${it.row}` }, it.event) : h("span", {}, it.event), h("span", { class: "muted" }, ` ${it.delivery_id}`), h("p", { class: "muted" }, inboxText(it, "")), it.error && h("p", {}, h("code", { class: "code" }, it.error))),
        moveButton(it),
      ),
    );
    const all = dead > 1 && h("button", { type: "button", id: "redrive-all", onclick: () => moveOn(null) }, "Redrive all that are dead");
    return h("section", { class: "card", id: "inbox-rows", "aria-label": "Inbox" }, h("header", {}, h("h3", {}, "In the inbox"), all || h("span", { class: "muted" }, many(items.length, "row"))), h("ol", { class: "events rows" }, items));
  }

  // The overview.

  let states = null;
  let inboxed = null;
  async function loadInbox() {
    try {
      const loaded = await ask("/api/inbox");
      const same = JSON.stringify([states, inboxed]) === JSON.stringify([loaded.states, loaded.rows]);
      if (same) return;
      states = loaded.states;
      inboxed = loaded.rows;
    } catch {
      return;
    }
    if (view.name === "overview") overview();
  }

  function overview() {
    const all = [...known.deliveries.values()];
    const ended = all.filter((it) => it.ended);
    const bad = ended.filter((it) => it.status === null || it.status >= 400);
    const took = ended.map((it) => it.took).filter((it) => it !== null).sort((one, other) => one - other);
    const at = (part) => (took.length ? span(took[Math.min(took.length - 1, Math.floor(took.length * part))]) : "–");
    const figure = (term, value) => h("div", {}, h("dt", {}, term), h("dd", {}, value));
    const plot = (title, id, draw, legend) => {
      const holder = h("div", { class: "in", id });
      const block = h("figure", { class: "card" }, h("header", {}, h("figcaption", {}, title), legend), holder);
      drawing.push(() => holder.replaceChildren(draw(Math.max(260, holder.clientWidth - 28))));
      return block;
    };
    const drawing = [];
    const legend = h("span", { class: "legend" }, h("span", { class: "c2" }, "2xx"), h("span", { class: "c4" }, "4xx"), h("span", { class: "c5" }, "5xx, none"));
    const builds = known.notices.slice(-40).reverse().map((it) => h("li", {}, h("time", {}, clock(it.at)), h("div", {}, h("span", { class: it.level }, capital(it.text)), it.more && (it.more.length > 240 || it.more.includes("\n") ? h("details", {}, h("summary", { class: "muted", id: `more-${it.at}` }, "More"), h("pre", {}, it.more)) : h("p", { class: "muted mono" }, it.more)))));
    const open = new Set([...$("overview").querySelectorAll("details[open] > summary")].map((it) => it.id));
    const focused = $("overview").contains(document.activeElement) ? document.activeElement.id : "";
    const parts = [
      h("h2", {}, "Overview"),
      h("p", { class: "muted" }, all.length ? `Of the last ${many(all.length, "delivery").replace("deliverys", "deliveries")}; up to 500 are kept.` : "Nothing was delivered yet."),
      h("dl", { class: "figures" }, figure("Deliveries", all.length), figure("Failed", ended.length ? `${((100 * bad.length) / ended.length).toFixed(bad.length && bad.length * 10 < ended.length ? 1 : 0)} %` : "–"), figure("Median", at(0.5)), figure("99th percentile", at(0.99))),
      h("div", { class: "plots" }, plot("Deliveries per minute", "per-minute", (width) => perMinute(all, width), legend), plot("Latency", "latency", (width) => histogram(took, width)), plot("Errors by event", "errors", (width) => errors(bad, width)), plot("Inbox", "inbox", (width) => inbox(width))),
      inboxRows(),
      h("section", { class: "card", "aria-label": "Builds and warnings" }, h("header", {}, h("h3", {}, "Builds and warnings"), h("button", { type: "button", id: "forget", onclick: forget }, "Forget everything")), builds.length ? h("ol", { class: "events" }, builds) : h("p", { class: "in muted" }, "Nothing happened yet.")),
    ];
    $("overview").replaceChildren(...parts.filter(Boolean));
    for (const summary of $("overview").querySelectorAll("details > summary")) summary.parentElement.open = open.has(summary.id);
    $("overview").querySelector(".plots").style.marginBottom = "14px";
    drawing.forEach((draw) => draw());
    if (focused && $(focused)) $(focused).focus({ preventScroll: true });
  }

  async function forget() {
    await ask("/api/clear", {}).catch((error) => toast(error.message, "bad"));
  }

  const HIGH = 150;
  function chart(width, label, ...content) {
    return s("svg", { viewBox: `0 0 ${width} ${HIGH}`, width, height: HIGH, role: "img", "aria-label": label }, content);
  }
  const none = (text) => h("div", { class: "none" }, text);
  const label = (x, y, text, anchor, cls) => s("text", { x, y, "text-anchor": anchor || "start", class: cls || "" }, text);
  /** A bar with round corners at its top. */
  function bar(x, y, width, height, cls, title) {
    const round = Math.min(2, width / 2, height);
    return s("path", { class: cls, d: `M${x} ${y + height}v${-(height - round)}q0 ${-round} ${round} ${-round}h${width - 2 * round}q${round} 0 ${round} ${round}v${height - round}z` }, s("title", {}, title));
  }
  function scale(most) {
    const size = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
    const step = [1, 2, 5, 10].find((it) => it * size >= most) * size;
    return Math.max(step, 1);
  }

  function perMinute(all, width) {
    if (!all.length) return none("No deliveries yet");
    const minute = 60000;
    const last = Math.floor(Date.now() / minute);
    const slots = Array.from({ length: 30 }, () => [0, 0, 0]);
    for (const it of all) {
      const slot = slots[29 - (last - Math.floor(it.at / minute))];
      if (slot) slot[!it.ended || (it.status && it.status < 400) ? 0 : it.status && it.status < 500 ? 1 : 2] += 1;
    }
    const top = scale(Math.max(...slots.map((it) => it[0] + it[1] + it[2])));
    const left = 30, bottom = HIGH - 20, high = bottom - 8;
    const step = (width - left) / 30;
    const parts = [0, top / 2, top].filter((it) => Number.isInteger(it)).map((it) => {
      const y = bottom - (it / top) * high;
      return [s("line", { class: "grid", x1: left, x2: width, y1: y, y2: y }), label(left - 6, y + 4, String(it), "end")];
    });
    const bars = slots.map((slot, at) => {
      let y = bottom;
      return slot.map((count, part) => {
        if (!count) return null;
        const height = (count / top) * high;
        y -= height;
        return bar(left + at * step + 1, y, Math.max(2, step - 2), height, ["c2", "c4", "c5"][part], `${clock((last - 29 + at) * minute).slice(0, 5)}: ${count}`);
      });
    });
    const times = [0, 10, 20, 29].map((at) => label(at === 29 ? width : left + at * step, HIGH - 4, at === 29 ? "now" : clock((last - 29 + at) * minute).slice(0, 5), at === 29 ? "end" : "start"));
    return chart(width, `Deliveries in each of the last 30 minutes; ${all.length} in all, at most ${Math.max(...slots.map((it) => it[0] + it[1] + it[2]))} in one minute`, parts, bars, times);
  }

  function histogram(took, width) {
    if (!took.length) return none("Nothing has ended yet");
    const bounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
    const slots = Array.from({ length: bounds.length + 1 }, () => 0);
    for (const it of took) slots[bounds.findIndex((bound) => it < bound * 1000) < 0 ? bounds.length : bounds.findIndex((bound) => it < bound * 1000)] += 1;
    const top = scale(Math.max(...slots));
    const left = 30, bottom = HIGH - 20, high = bottom - 8;
    const step = (width - left) / slots.length;
    const text = (at) => (at === bounds.length ? "≥ 5 s" : bounds[at] < 1000 ? `< ${bounds[at]} ms` : `< ${bounds[at] / 1000} s`);
    const lines = [0, top / 2, top].filter((it) => Number.isInteger(it)).map((it) => {
      const y = bottom - (it / top) * high;
      return [s("line", { class: "grid", x1: left, x2: width, y1: y, y2: y }), label(left - 6, y + 4, String(it), "end")];
    });
    const bars = slots.map((count, at) => count && bar(left + at * step + 2, bottom - (count / top) * high, step - 4, (count / top) * high, "ca", `${text(at)}: ${count}`));
    const short = (bound) => (bound < 1000 ? `${bound}` : `${bound / 1000} s`);
    const ticks = bounds.map((bound, at) => (width > 380 || at % 2 === 0) && label(left + (at + 1) * step, HIGH - 4, at === 0 ? "1 ms" : short(bound), "middle"));
    return chart(width, `Latency of ${took.length} deliveries: ${slots.map((count, at) => (count ? `${count} ${text(at)}` : "")).filter(Boolean).join(", ")}`, lines, bars, ticks);
  }

  function horizontal(width, items, title) {
    const most = Math.max(...items.map((it) => it.count), 1);
    const left = Math.min(150, width * 0.4), space = width - left - 130;
    const rows = items.map((it, at) => {
      const y = 8 + at * 27;
      const long = Math.max(2, (it.count / most) * Math.max(space, 30));
      const text = it.name.length * 6.3 > left ? `${it.name.slice(0, Math.floor(left / 6.3) - 1)}…` : it.name;
      return [label(0, y + 12, text, "start", "v"), s("rect", { x: left, y, width: long, height: 16, rx: 3, class: it.cls }, s("title", {}, `${it.name}: ${it.count}`)), label(left + long + 7, y + 12, it.text)];
    });
    return chart(width, `${title}: ${items.map((it) => `${it.name} ${it.text}`).join(", ")}`, rows);
  }

  function errors(bad, width) {
    if (!bad.length) return none("No errors");
    const counts = new Map();
    for (const it of bad) {
      const entry = counts.get(name(it)) || { count: 0, server: 0 };
      entry.count += 1;
      if (it.status === null || it.status >= 500) entry.server += 1;
      counts.set(name(it), entry);
    }
    const items = [...counts].sort((one, other) => other[1].count - one[1].count).slice(0, 5);
    return horizontal(width, items.map(([event, { count, server }]) => ({ name: event, count, text: server === count ? `${count}` : server ? `${count}, ${server} of them 5xx` : `${count} × 4xx`, cls: server ? "c5" : "c4" })), "Errors by event");
  }

  function inbox(width) {
    if (states === null) return none("This extension has no inbox: deliveries are handled at once.");
    if (!states.length) return none("The inbox is empty");
    return horizontal(width, states.slice(0, 5).map((it) => ({ name: it.state, count: it.count, text: `${it.count}, oldest ${seconds(it.oldest)}`, cls: it.state === "parked" || it.state === "dead" ? "c5" : "ca" })), "Inbox by state");
  }

  // Where one is.

  function go(hash) {
    if (location.hash !== hash) history.pushState(null, "", hash);
    show();
  }

  function where() {
    const parts = location.hash.replace(/^#\/?/, "").split("/");
    const number = (text) => (/^\d+$/.test(text || "") ? Number(text) : null);
    if (parts[0] === "overview") return { name: "overview" };
    if (parts[0] === "send") return { name: "send", of: number(parts[1]) };
    if (parts[0] === "diff") return { name: "diff", one: number(parts[1]), other: number(parts[2]) };
    return { name: "deliveries", id: parts[0] === "deliveries" ? number(parts[1]) : null };
  }

  function show() {
    const closed = !$("gate").hidden;
    const before = view;
    view = where();
    for (const id of ["deliveries", "overview", "send", "diff"]) $(id).hidden = closed || id !== view.name;
    for (const link of document.querySelectorAll("nav a")) {
      const current = link.dataset.view === (view.name === "diff" ? "deliveries" : view.name);
      if (current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (closed) return;
    $("deliveries").classList.toggle("open", Boolean(view.id));
    filter();
    if (view.name === "overview") {
      overview();
      loadInbox();
    } else if (view.name === "send") form(view.of);
    else if (view.name === "diff") compare(view.one, view.other);
    else if (view.id) {
      if (!detail || detail.record.id !== view.id) open(view.id);
      else showDetail();
      const element = rows.get(view.id);
      if (element) element.scrollIntoView({ block: "nearest" });
      if (before.id !== view.id && matchMedia("(max-width: 860px)").matches) $("detail").focus();
    } else {
      detail = null;
      delete $("detail").dataset.id;
      $("detail").replaceChildren(h("div", { class: "empty" }, h("h2", {}, "No delivery is open"), h("p", {}, "Choose one of the list, or press ", h("kbd", {}, "j"), ". ", h("kbd", {}, "?"), " shows all keys.")));
    }
  }

  function step(by) {
    if (!shown.length) return;
    const at = shown.indexOf(view.id);
    const next = shown[at < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, at + by))];
    go(`#/deliveries/${next}`);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
    if (event.key === "Escape") {
      if (typing) document.activeElement.blur();
      else if (view.name !== "deliveries" || view.id) {
        const row = rows.get(view.id);
        go("#/");
        if (row) row.firstChild.focus();
      } else clear();
      return;
    }
    if (typing) return;
    const keys = {
      j: () => step(1),
      k: () => step(-1),
      "/": () => { go(view.name === "deliveries" && !matchMedia("(max-width: 860px)").matches ? location.hash : "#/"); setTimeout(() => $("search").focus()); },
      r: () => replay(false),
      e: edit,
      s: save,
      d: () => { const button = $("compare"); if (button) button.click(); },
      "?": () => $("keys").showModal(),
      1: () => go("#/"),
      2: () => go("#/overview"),
      3: () => go("#/send"),
    };
    const open = view.name === "deliveries" && view.id;
    if (!keys[event.key] || (["r", "e", "s", "d"].includes(event.key) && !open)) return;
    event.preventDefault();
    keys[event.key]();
  });

  // The theme: as the system, light, or dark.
  const THEMES = [["", "◐", "as the system"], ["light", "☀", "light"], ["dark", "☾", "dark"]];
  function theme(chosen) {
    const [value, sign, text] = THEMES.find(([value]) => value === chosen) || THEMES[0];
    document.documentElement.dataset.theme = value;
    $("theme").textContent = sign;
    $("theme").setAttribute("aria-label", `Theme: ${text}`);
    $("theme").title = `Theme: ${text}`;
  }
  theme(localStorage.getItem("theme") || "");
  $("theme").addEventListener("click", () => {
    const at = THEMES.findIndex(([value]) => value === document.documentElement.dataset.theme);
    const next = THEMES[(at + 1) % THEMES.length][0];
    localStorage.setItem("theme", next);
    theme(next);
  });

  // The hash says which view is shown: the link must not change it.
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    $("main").focus();
  });

  $("help").addEventListener("click", () => $("keys").showModal());
  $("search").addEventListener("input", search);
  for (const id of ["event", "status"]) $(id).addEventListener("change", filter);
  document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", async () => {
    await enter();
    show();
  });
  let resizing = 0;
  window.addEventListener("resize", () => {
    cancelAnimationFrame(resizing);
    resizing = requestAnimationFrame(() => view.name === "overview" && overview());
  });
  setInterval(() => {
    for (const element of document.querySelectorAll("[data-until]")) element.textContent = until(Number(element.dataset.until));
  }, 1000);
  setInterval(() => !document.hidden && look(), 2500);

  (async () => {
    await enter().catch(() => {});
    show();
    state();
    listen();
  })();
})();
