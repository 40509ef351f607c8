// What the page does beside Gradio: markers lead to their cards, articles open in a reader. Nothing is fetched
// but from this server, and only HTML that it has escaped is shown.
(() => {
  "use strict";
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const scrolling = () => (calm.matches ? "auto" : "smooth");

  function showCard(marker) {
    const card = document.getElementById(marker.getAttribute("href").slice(1));
    if (!card) return;
    const folded = card.closest("details");
    if (folded) folded.open = true;
    card.scrollIntoView({ behavior: scrolling(), block: "nearest" });
    card.focus({ preventScroll: true });
    card.classList.remove("flash");
    void card.offsetWidth; // starts the animation anew
    card.classList.add("flash");
  }

  function readerBox() {
    let box = document.querySelector("dialog.reader-box");
    if (box) return box;
    box = document.createElement("dialog");
    box.className = "reader-box";
    box.setAttribute("aria-label", "Article or story");
    const bar = document.createElement("div");
    bar.className = "reader-bar";
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    close.addEventListener("click", () => box.close());
    bar.append(close);
    const body = document.createElement("div");
    body.className = "reader-body";
    body.tabIndex = 0;
    box.append(bar, body);
    box.addEventListener("click", (event) => event.target === box && box.close());
    (document.querySelector(".gradio-container") ?? document.body).append(box);
    return box;
  }

  async function openArticle(href) {
    const box = readerBox();
    const body = box.querySelector(".reader-body");
    const opener = document.activeElement;
    body.textContent = "Loading …";
    if (!box.open) {
      box.showModal();
      box.addEventListener("close", () => opener?.focus({ preventScroll: true }), { once: true });
    }
    try {
      const url = new URL(href, document.baseURI);
      url.searchParams.set("part", "true");
      const reply = await fetch(url);
      body.innerHTML = await reply.text();
    } catch {
      body.textContent = "The article cannot be loaded: Dateline does not answer. Is it still running?";
    }
    body.focus({ preventScroll: true });
    const mark = body.querySelector("mark");
    if (mark) mark.scrollIntoView({ block: "center" });
    else body.scrollTop = 0;
  }

  async function copy(button) {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      button.textContent = "The browser does not allow copying here";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  }

  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest?.(selector);
    const marker = hit("a.cite");
    const link = hit("a.reader");
    if (marker) {
      event.preventDefault();
      showCard(marker);
    } else if (link && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
      event.preventDefault();
      openArticle(link.getAttribute("href"));
    } else if (hit("[data-copy]")) {
      copy(hit("[data-copy]"));
    } else if (hit("[data-tab]")) {
      const name = hit("[data-tab]").dataset.tab;
      [...document.querySelectorAll("button[role=tab]")].find((tab) => tab.textContent.trim() === name)?.click();
    }
  });

  // A menu closes as a reader expects: with Escape, which gives the focus back, and with a click elsewhere.
  document.addEventListener("keydown", (event) => {
    const menu = document.querySelector("details.forms[open]");
    if (event.key !== "Escape" || !menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.("details.forms[open]")) event.target.scrollIntoView({ behavior: scrolling(), block: "nearest" });
  }, true);
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.forms[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  // A new question comes to the top of the window; days get the browser's own picker.
  let shown = "";
  function settle() {
    for (const input of document.querySelectorAll("#since input, #until input, #since textarea, #until textarea")) {
      if (input.tagName === "INPUT" && input.type === "text") input.type = "date";
    }
    const turn = document.querySelector("#current .turn");
    const key = turn ? turn.dataset.key + turn.querySelector("h2").textContent : "";
    if (key && key !== shown) {
      if (turn.dataset.key === "t1") scrollTo({ top: 0, behavior: scrolling() });
      else turn.scrollIntoView({ behavior: shown ? scrolling() : "auto", block: "start" });
    }
    if (turn || document.querySelector("#current .welcome")) shown = key;
  }
  // An answer that will never come is said so: Gradio itself waits in silence when its server is gone.
  setInterval(async () => {
    const waiting = document.querySelector('.turn[data-state="writing"] .answer');
    if (!waiting) return;
    const there = await fetch("dateline/page.css", { method: "GET", cache: "no-store" }).then(() => true, () => false);
    const said = waiting.querySelector(".gone");
    if (there) said?.remove();
    else if (!said) {
      const line = document.createElement("p");
      line.className = "notice gone";
      line.textContent = "Dateline does not answer. Is it still running? Reload this page when it is.";
      waiting.append(line);
    }
  }, 4000);

  new MutationObserver(settle).observe(document.documentElement, { childList: true, subtree: true });
  settle();
})();
