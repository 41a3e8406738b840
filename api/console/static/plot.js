// Readings of one device over time, one small plot a channel, on a common axis in Asia/Shanghai.

const PAGES_MAX = 10;
const PLOTS_MAX = 8;
const ROW_PX = 92;
const SHANGHAI_MS = 8 * 3_600_000;
const INK = "#33414d";
const MARK = "#a8121f";
const GRID = "#e3e6e9";
const TITLE_SHARE = 0.26;

const wall = (iso) => new Date(Date.parse(iso) + SHANGHAI_MS).toISOString().slice(0, 23).replace("T", " ");

/** Draw the readings that the description asks for into an element. */
export async function draw(element, wanted) {
  let rows;
  try {
    [rows] = await Promise.all([load(wanted), plotly()]);
  } catch {
    return say(element, element.dataset.failed);
  }
  const shown = choose(wanted, rows);
  if (!shown.length) return say(element, element.dataset.empty);
  if (!element.querySelector(".plot-container")) element.replaceChildren();
  element.style.height = `${shown.length * ROW_PX + 60}px`;
  const traces = shown.map((channel, index) => trace(channel, rows, index));
  return Plotly.react(element, traces, layout(element, wanted, shown, rows), {
    displayModeBar: false,
    responsive: true,
  });
}

/** Plotly is large, so nothing else waits for it. */
function plotly() {
  if (window.Plotly) return Promise.resolve();
  const script = document.getElementById("plotly");
  return new Promise((done, fail) => {
    script.addEventListener("load", done);
    script.addEventListener("error", fail);
  });
}

function say(element, text) {
  element.style.height = "";
  element.textContent = text;
}

async function load({ equipment, start, end }) {
  const query = new URLSearchParams({ start, end, limit: 1000 });
  let address = `/api/v1/equipment/${encodeURIComponent(equipment)}/readings?${query}`;
  const rows = [];
  for (let page = 0; address && page < PAGES_MAX; page += 1) {
    const response = await fetch(address);
    if (!response.ok) throw new Error(String(response.status));
    const { items, next } = await response.json();
    rows.push(...items);
    address = next;
  }
  return rows;
}

function choose({ channels, first }, rows) {
  const reported = new Set(rows.flatMap((row) => Object.keys(row.values)));
  const rank = (channel) => (first.includes(channel.name) ? first.indexOf(channel.name) : 1_000);
  return channels
    .filter((channel) => reported.has(channel.name))
    .toSorted((one, other) => rank(one) - rank(other))
    .slice(0, PLOTS_MAX);
}

function trace(channel, rows, index) {
  const points = rows.filter((row) => channel.name in row.values);
  const isSteps = channel.type !== "number";
  const values = points.map((row) => plotted(channel, row.values[channel.name]));
  return {
    x: points.map((row) => wall(row.at)),
    y: values,
    text: points.map((row) => named(channel, row.values[channel.name])),
    hovertemplate: "%{text}<br>%{x|%H:%M:%S}<extra></extra>",
    mode: "lines+markers",
    connectgaps: false,
    line: { color: INK, width: 1.5, shape: isSteps ? "hv" : "linear" },
    marker: { color: INK, size: 3.5 },
    xaxis: "x",
    yaxis: index ? `y${index + 1}` : "y",
  };
}

function plotted(channel, value) {
  if (value === null) return null;
  return channel.type === "flag" ? Number(value) : value;
}

function named(channel, value) {
  if (value === null) return `${channel.label}: ?`;
  return `${channel.label}: ${channel.codes[String(value)] ?? value} ${channel.unit}`.trim();
}

function layout(element, wanted, shown, rows) {
  const narrow = element.clientWidth < 520;
  const last = shown.length > 1 ? `y${shown.length}` : "y";
  const result = {
    showlegend: false,
    margin: { l: narrow ? 44 : 60, r: 16, t: 20, b: 34 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "#fff",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: "#1d2329" },
    xaxis: {
      type: "date",
      range: [wall(wanted.start), wall(wanted.end)],
      tickformat: "%H:%M:%S",
      nticks: narrow ? 4 : 8,
      anchor: last,
      gridcolor: GRID,
    },
    annotations: [],
    shapes: [],
  };
  shown.forEach((channel, index) => addRow(result, element, channel, rows, index, 1 / shown.length));
  wanted.marks.forEach((mark, index) => addMark(result, element, mark, index));
  return result;
}

function addRow(result, element, channel, rows, index, height) {
  const top = 1 - index * height - height * TITLE_SHARE;
  const axis = {
    domain: [1 - (index + 1) * height, top],
    gridcolor: GRID,
    zeroline: false,
    nticks: 4,
    fixedrange: true,
    automargin: true,
    ...words(channel, element, rows),
  };
  result[index ? `yaxis${index + 1}` : "yaxis"] = axis;
  const unit = channel.unit ? ` [${channel.unit}]` : "";
  result.annotations.push({
    text: `${channel.label}${unit}`,
    xref: "paper",
    yref: "paper",
    x: 0,
    y: top,
    xanchor: "left",
    yanchor: "bottom",
    showarrow: false,
    font: { size: 12, color: "#4c5660" },
  });
}

/** Axis of a channel whose values are words. */
function words(channel, element, rows) {
  if (channel.type === "flag") {
    return { range: [-0.2, 1.2], tickvals: [0, 1], ticktext: [element.dataset.no, element.dataset.yes] };
  }
  if (channel.type === "label") return { type: "category" };
  if (channel.type !== "code") return {};
  const values = rows.map((row) => row.values[channel.name]).filter((value) => value != null);
  const seen = [...new Set(values)].toSorted((one, other) => one - other);
  return {
    range: [seen[0] - 0.5, seen.at(-1) + 0.5],
    tickvals: seen,
    ticktext: seen.map((value) => channel.codes[String(value)] ?? String(value)),
  };
}

function addMark(result, element, mark, index) {
  const x = wall(mark.at);
  result.shapes.push({
    type: "line",
    xref: "x",
    yref: "paper",
    x0: x,
    x1: x,
    y0: 0,
    y1: 1,
    line: { color: MARK, width: 1.5, dash: index ? "dot" : "solid" },
  });
  result.annotations.push({
    text: element.dataset[mark.text],
    xref: "x",
    yref: "paper",
    x,
    y: 1,
    xanchor: index ? "left" : "right",
    yanchor: "bottom",
    showarrow: false,
    font: { size: 12, color: MARK },
  });
}

/** Description of the plot that the page carries, `null` when it has none. */
export function description() {
  const data = document.getElementById("plot-data");
  return data && JSON.parse(data.textContent);
}
