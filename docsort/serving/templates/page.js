"use strict";
const at = id => document.getElementById(id);
const SHOWN_LABELS = 12;      // the rest unfold
const CURL_CHARACTERS = 300;  // longer texts come from a file in the curl line

function percent(score) {
  const value = 100 * score;
  return (value > 99.95 || (value < 0.05 && value > 0) ? value.toPrecision(4) : value.toFixed(1)) + " %";
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// What the page cannot know by itself: the server's models.
async function loadModels() {
  try {
    const answer = await fetch("readyz");
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    const models = (await answer.json()).models;
    for (const [name, {default: standard, versions}] of Object.entries(models)) {
      at("model").add(new Option(`${name} (${standard})`, name));
      for (const version of versions)
        if (version !== standard) at("model").add(new Option(`${name} ${version}`, `${name}/${version}`));
    }
    at("classify").disabled = false;
    at("status").hidden = true;
  } catch (error) {
    at("status").textContent = `Not ready yet (${error.message}); trying again.`;
    setTimeout(loadModels, 2000);
  }
}

async function readFile(file) {
  try {
    at("text").value = new TextDecoder("utf-8", {fatal: true}).decode(await file.arrayBuffer());
    at("error").hidden = true;
  } catch {
    fail(`${file.name} is not text in UTF-8.`);
  }
}

function fail(message) {
  at("error").textContent = message;
  at("error").hidden = false;
  at("answer").hidden = true;
}

// A document that is itself a JSON object goes as JSON: as plain text it could be a misdirected request.
function request() {
  const text = at("text").value;
  return text.trimStart().startsWith("{")
    ? {type: "application/json", body: JSON.stringify({text})}
    : {type: "text/plain", body: text};
}

async function classify() {
  at("classify").disabled = true;
  try {
    const {type, body} = request();
    const headers = {"Content-Type": type};
    if (at("key").value) headers["X-Api-Key"] = at("key").value;
    const options = {method: "POST", headers, body};
    const answer = await fetch(`predictions/${at("model").value}`, options);
    const content = await answer.json();
    if (answer.status === 401) at("keyRow").hidden = false;
    if (answer.ok) show(content, answer.headers.get("X-Request-Id"));
    else fail(content.error.message);
  } catch {
    fail("The server does not answer, or not as it should.");
  } finally {
    at("classify").disabled = false;
  }
}

function show(answer, requestId) {
  at("error").hidden = true;
  const several = "labels" in answer;
  at("label").textContent = several ? answer.labels.join(", ") || "no label" : answer.label;
  const rows = answer.scores.map(({label, score, threshold}, index) => {
    const row = element("li");
    const bar = element("div", "bar");
    bar.style.width = `${100 * score}%`;
    const track = element("div", "track");
    track.append(bar);
    row.append(element("span", "", label), track, element("span", "number", percent(score)));
    row.hidden = index >= SHOWN_LABELS;
    if (threshold !== undefined) {
      row.title = `given from ${percent(threshold)} up`;
      if (answer.labels.includes(label)) row.className = "given";
    }
    return row;
  });
  at("scores").replaceChildren(...rows);
  at("allRow").hidden = rows.length <= SHOWN_LABELS;
  at("all").textContent = `All ${rows.length} labels`;
  at("read").textContent = whatWasRead(answer.receipt);
  at("version").textContent = `${answer.model.name} ${answer.model.version}`;
  at("requestId").textContent = requestId;
  at("curl").textContent = curlLine();
  at("answer").hidden = false;
  at("answer").scrollIntoView({block: "nearest"});
}

function whatWasRead({tokens, tokens_read: read, windows, answered_by: by}) {
  if (by === "linear") return `all of its ${tokens} tokens, by the linear model alone`;
  if (read < tokens) {
    return `${read} of its ${tokens} tokens, in ${windows} windows: the rest was not read`;
  }
  return `all of its ${tokens} tokens, in ${windows} ${windows === 1 ? "window" : "windows"}`;
}

function curlLine() {
  const quoted = text => `'${text.replaceAll("'", `'\\''`)}'`;
  const {type, body} = request();
  const isLong = body.length > CURL_CHARACTERS;
  // curl takes what begins with @ for a file, and newlines out of --data
  const content = isLong ? `@document.${type === "text/plain" ? "txt" : "json"}` : quoted(body);
  const option = isLong ? "--data-binary" : "--data-raw";
  const key = at("key").value ? ` -H "X-Api-Key: $DOCSORT_API_KEY"` : "";
  const url = new URL(`predictions/${at("model").value}`, location.href);
  return `curl -H 'Content-Type: ${type}'${key} ${option} ${content} ${url}`;
}

at("form").addEventListener("submit", event => { event.preventDefault(); classify(); });
at("text").addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !at("classify").disabled) classify();
});
at("choose").addEventListener("click", () => at("file").click());
at("file").addEventListener("change", event => { if (event.target.files[0]) readFile(event.target.files[0]); });
at("all").addEventListener("click", () => {
  for (const row of at("scores").children) row.hidden = false;
  at("allRow").hidden = true;
});
at("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(at("curl").textContent);
    at("copy").textContent = "Copied";
  } catch {  // over plain http from another machine browsers give no clipboard
    getSelection().selectAllChildren(at("curl"));
  }
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, event => {
    event.preventDefault();
    at("text").classList.toggle("over", kind === "dragover");
    if (kind !== "drop") return;
    if (event.dataTransfer.files[0]) readFile(event.dataTransfer.files[0]);
    else at("text").value = event.dataTransfer.getData("text/plain");
  });
}
loadModels();
