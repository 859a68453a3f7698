"use strict";
// All pages work without this: it draws charts, keeps addresses short and says when the server refused.
// Charts are drawn after the page is painted, one at a time: their bundle is large, and all at once would hold the page up.
(() => {
  const drawn = new Map();
  const theme = () => {
    const style = getComputedStyle(document.documentElement);
    const colour = name => style.getPropertyValue(`--${name}`).trim();
    const axis = { labelColor: colour("quiet"), titleColor: colour("quiet"), gridColor: colour("line"), domainColor: colour("line"), tickColor: colour("line") };
    const font = getComputedStyle(document.body).fontFamily;
    return {
      font, background: null, axis: { ...axis, titleFontWeight: "normal", labelFontSize: 11, titleFontSize: 11 },
      legend: { labelColor: colour("text"), titleColor: colour("quiet"), labelFontSize: 12, },
      view: { stroke: null },
      range: { category: [1, 2, 3].map(n => colour(`series-${n}`)), twice: [1, 1, 2, 2].map(n => colour(`series-${n}`)) },
    };
  };
  const draw = figure => {
    const place = figure.querySelector(".canvas"), data = figure.querySelector('script[type="application/json"]');
    drawn.get(figure)?.finalize();
    place.replaceChildren();
    globalThis.drawChart(place, JSON.parse(data.textContent), theme()).then(view => drawn.set(figure, view));
  };
  const painted = work => requestAnimationFrame(() => setTimeout(work));
  let waiting = [];
  const drawNext = () => {
    const figure = waiting.shift();
    if (!figure) return;
    painted(drawNext); // before this one is drawn: where it throws, the others are drawn all the same
    if (figure.isConnected) draw(figure);
  };
  let script = null;
  const load = source => {
    script = document.createElement("script");
    script.src = source;
    script.addEventListener("load", () => drawAll());
    document.head.append(script);
  };
  const drawAll = () => {
    for (const [figure, view] of drawn) if (!figure.isConnected) { view.finalize(); drawn.delete(figure); }
    const charts = [...document.querySelectorAll("figure.chart")], source = document.querySelector(".charts")?.dataset.src;
    if (globalThis.drawChart) {
      const begun = waiting.length > 0;
      waiting = charts;
      if (!begun) painted(drawNext);
    } else if (source && !script) painted(() => script ?? load(source));
  };
  const hint = () => {
    const wide = [...document.querySelectorAll(".wide")], scrolls = wide.map(place => place.scrollWidth > place.clientWidth + 1);
    wide.forEach((place, i) => place.classList.toggle("scrolls", scrolls[i]));
  };
  drawAll();
  painted(hint);
  document.addEventListener("toggle", hint, true); // of details, which does not bubble
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let wait = 0;
  addEventListener("resize", () => { clearTimeout(wait); wait = setTimeout(() => { drawAll(); hint(); }, 150); });

  const body = document.body;
  body.addEventListener("htmx:configRequest", event => {
    const given = event.detail.parameters;
    const usual = name => event.detail.elt.elements?.[name]?.dataset?.usual ?? "";
    for (const name of Object.keys(given)) if (given[name] === "" || given[name] === usual(name)) delete given[name];
  });
  body.addEventListener("htmx:afterSettle", () => { drawAll(); hint(); });
  const say = text => {
    const status = document.getElementById("status");
    if (status) status.textContent = text;
  };
  body.addEventListener("htmx:responseError", event => {
    const page = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
    say(page.querySelector('[role="alert"]')?.textContent || `The server refused: ${event.detail.xhr.status}.`);
  });
  body.addEventListener("htmx:sendError", () => say("The service does not answer; is it still running?"));
})();
