// What pages can do more where scripts run. All of it works without, by forms and links.
"use strict";

const told = document.getElementById("told");

function tell(text) {
  // The same text twice is read out only if it was away in between.
  told.textContent = "";
  requestAnimationFrame(() => { told.textContent = text; });
}

// "/" leads to the search.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const field = document.getElementById("q");
  if (field === null) return;
  event.preventDefault();
  field.focus();
  field.select();
});

// Results while one types.
const live = document.querySelector("form[data-live]");
if (live !== null) {
  const calm = 120; // milliseconds without a key
  let waiting = 0;
  let running = null;
  let shown = asked();

  function asked() {
    const given = new URLSearchParams();
    for (const [name, value] of new FormData(live)) {
      if (value.trim() !== "") given.append(name, value.trim());
    }
    return given.toString();
  }

  async function refresh() {
    const query = asked();
    if (query === shown) return;
    if (running !== null) running.abort();
    running = new AbortController();
    const results = document.getElementById("results");
    results.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`${live.dataset.live}?${query}`, { signal: running.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = page.getElementById("results");
      results.replaceWith(found);
      shown = query;
      const home = document.querySelector(".namespaces");
      if (home !== null) home.hidden = query !== "";
      history.replaceState(null, "", query === "" ? live.action : `${live.action}?${query}`);
      tell(found.dataset.told);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      results.removeAttribute("aria-busy");
      const text = "The registry did not answer. Press Enter to try again.";
      document.getElementById("summary").textContent = text;
      tell(text);
    }
  }

  live.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(refresh, calm);
  });
}

// Copying.
async function copy(text) {
  if (navigator.clipboard !== undefined) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Without https browsers offer but the old way.
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("not copied");
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  const label = button.firstChild;
  const usual = label.textContent;
  button.hidden = false;
  button.addEventListener("blur", () => { label.textContent = usual; });
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await copy(source.textContent);
      label.textContent = "Copied";
      tell("Copied");
    } catch {
      getSelection().selectAllChildren(source);
      label.textContent = "Selected";
      tell("Selected: copy it with the keyboard");
    }
    button.focus();
  });
}

// A graph that is wider than the page shows its middle first.
for (const graph of document.querySelectorAll(".graph")) {
  const own = graph.querySelector(".box.self");
  const middle = own.x.baseVal.value + own.width.baseVal.value / 2;
  graph.scrollLeft = middle - graph.clientWidth / 2;
}

// Menus close as one expects of them.
for (const menu of document.querySelectorAll("details.switch")) {
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
