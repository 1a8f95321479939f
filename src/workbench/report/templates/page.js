// Draws every figure of the page in place of its picture. When a figure cannot be drawn, the
// picture stays. Nothing is loaded: the specification carries its data.
(() => {
  "use strict";
  const ink = JSON.parse(document.getElementById("ink").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const plain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const merged = (under, over) => {
    const result = { ...under };
    for (const [key, value] of Object.entries(over)) {
      result[key] = plain(value) && plain(result[key]) ? merged(result[key], value) : value;
    }
    return result;
  };
  const refuse = () => Promise.reject(new Error("a page loads nothing"));

  // What is beside the plot (names, axis) keeps its width; the plot gives way.
  const fitted = (spec, frame, natural) => {
    const room = frame.clientWidth;
    if (!room || room >= natural) return spec;
    const narrower = (view) => ({ ...view, width: Math.max(120, view.width - (natural - room)) });
    if (typeof spec.width === "number" && ("mark" in spec || "layer" in spec)) return narrower(spec);
    if (typeof spec.spec?.width === "number" && !spec.facet?.column) return { ...spec, spec: narrower(spec.spec) };
    return spec;
  };

  const draw = async (figure) => {
    const still = figure.querySelector(".still img");
    const frame = figure.querySelector(".frame");
    const live = document.createElement("div");
    live.className = "live";
    try {
      const spec = JSON.parse(figure.querySelector(".spec").textContent);
      spec.config = merged(spec.config ?? {}, ink[dark.matches ? "dark" : "light"]);
      const made = await window.vegaEmbed(live, fitted(spec, frame, Number(still.getAttribute("width"))), {
        mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false,
        loader: { load: refuse, sanitize: refuse, http: refuse, file: refuse },
        tooltip: { disableDefaultStyle: true },
      });
      figure.view?.finalize();
      figure.view = made;
      frame.replaceChild(live, figure.querySelector(".live"));
      figure.classList.add("drawn");
    } catch (error) {
      figure.classList.remove("drawn");
      figure.dataset.error = String(error);
    }
  };

  const figures = [...document.querySelectorAll("figure.chart")];
  const all = () => Promise.all(figures.map(draw)).then(() => {
    document.body.dataset.figures = dark.matches ? "dark" : "light";
  });
  let width = document.documentElement.clientWidth;
  let waiting = 0;
  addEventListener("resize", () => {
    if (document.documentElement.clientWidth === width) return;
    width = document.documentElement.clientWidth;
    clearTimeout(waiting);
    waiting = setTimeout(all, 150);
  });
  dark.addEventListener("change", all);
  all();
})();
