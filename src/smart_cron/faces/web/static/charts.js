// Draws what stands as JSON beside a figure, in the colours of the style sheet, and anew when data or theme change.
(() => {
  "use strict";
  const drawn = new Map();
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (name) => style(`--chart-${name}`);
  const FORMATS = {
    second: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
    minute: { hour: "2-digit", minute: "2-digit" },
    hour: { hour: "2-digit", minute: "2-digit" },
    day: { month: "short", day: "numeric" },
  };
  const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

  const figures = (value, unit) => {
    const words = Number(value).toLocaleString(undefined, { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 1 });
    return unit ? `${words} ${unit}` : words;
  };
  const source = (figure) => document.getElementById(`${figure.dataset.chart}-data`);
  const labels = (data) => {
    if (!data.times) return data.labels;
    const format = new Intl.DateTimeFormat(undefined, FORMATS[data.grain] || FORMATS.hour);
    return data.times.map((at) => format.format(new Date(at)));
  };
  // A point without neighbours would not be seen: a line needs two.
  const alone = ({ dataset, dataIndex }) => {
    const at = (index) => dataset.data[index] ?? null;
    return at(dataIndex) !== null && at(dataIndex - 1) === null && at(dataIndex + 1) === null ? 2.5 : 0;
  };
  const dataset = (series, data) => {
    const round = data.kind === "doughnut";
    const filled = round ? series.colours.map(colour) : colour(series.colour);
    return {
      label: series.name, data: series.values, type: round ? undefined : series.kind, unit: series.unit,
      yAxisID: round ? undefined : series.axis, backgroundColor: filled, borderColor: round ? style("--chart-ground") : filled,
      borderWidth: series.kind === "line" ? 2 : round ? 2 : 0, pointRadius: alone, pointHitRadius: 12, tension: 0.3,
      spanGaps: false, borderRadius: 2, maxBarThickness: 28, stack: series.kind === "bar" && data.stacked ? "all" : undefined,
      order: series.kind === "line" ? 0 : 1,
    };
  };
  const axis = (data, side) => {
    const own = data.series.filter((each) => each.axis === side);
    if (!own.length) return undefined;
    const unit = own[0].unit;
    return {
      position: side, beginAtZero: true, stacked: data.stacked && own.some((each) => each.kind === "bar"),
      suggestedMax: unit === "%" ? 100 : undefined, border: { display: false },
      grid: { color: side === "left" ? colour("grid") : "transparent" },
      ticks: { color: colour("ink"), precision: unit ? undefined : 0, maxTicksLimit: 5, callback: (value) => figures(value, unit) },
    };
  };
  const scales = (data) => {
    if (data.kind === "doughnut") return {};
    const found = {
      x: {
        stacked: data.stacked, grid: { display: false }, border: { display: false },
        ticks: { color: colour("ink"), maxRotation: 0, autoSkip: true, maxTicksLimit: 8 },
      },
    };
    for (const side of ["left", "right"]) {
      const made = axis(data, side);
      if (made) found[side] = made;
    }
    return found;
  };
  const options = (data) => ({
    responsive: true, maintainAspectRatio: false, animation: false,
    interaction: { mode: data.kind === "doughnut" ? "nearest" : "index", intersect: data.kind === "doughnut" },
    cutout: "72%", scales: scales(data),
    plugins: {
      legend: { display: data.legend, position: "bottom", labels: { color: colour("ink"), boxWidth: 10, boxHeight: 10, font: { family: style("--tblr-font-sans-serif") } } },
      tooltip: {
        callbacks: {
          title: (items) => (data.times ? full.format(new Date(data.times[items[0].dataIndex])) : items[0].label),
          label: (item) => `${data.kind === "doughnut" ? "" : `${item.dataset.label}: `}${figures(item.raw, item.dataset.unit)}`,
        },
      },
    },
  });
  const config = (data) => ({
    type: data.kind, options: options(data),
    data: { labels: labels(data), datasets: data.series.map((series) => dataset(series, data)) },
  });

  const draw = (figure, again) => {
    const found = source(figure);
    if (!found || typeof Chart === "undefined") return;
    const before = drawn.get(figure);
    if (before && before.text === found.textContent && !again) return;
    const made = config(JSON.parse(found.textContent));
    if (before) {
      before.text = found.textContent;
      Object.assign(before.chart.data, made.data);
      before.chart.options = made.options;
      before.chart.update("none");
      return;
    }
    drawn.set(figure, { text: found.textContent, chart: new Chart(figure.querySelector("canvas"), made) });
  };
  const all = (again) => {
    for (const [figure, { chart }] of drawn) {
      if (!figure.isConnected) { chart.destroy(); drawn.delete(figure); }
    }
    for (const figure of document.querySelectorAll("figure[data-chart]")) draw(figure, again);
  };
  all(false);
  document.addEventListener("htmx:sseMessage", () => all(false));
  document.addEventListener("htmx:afterSwap", () => all(false));
  new MutationObserver(() => all(true)).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
})();
