// SPDX-License-Identifier: Apache-2.0
// Spend over time with uPlot (vendor/uplot); every chart has the same figures as a table. Bars by name are plain HTML.
import { h, fill, emptyState, newId } from "./dom.js";
import { count, money } from "./format.js";
import { compare, isZero, sum, toFloat, usd } from "./decimal.js";

// The colour that a custom property has now, light or dark.
function colour(name) {
    const probe = h("i", { class: "probe" });
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
}

const shortUsd = (v) =>
    v === 0
        ? "$0"
        : v >= 1000
          ? `$${(v / 1000).toLocaleString("en-US", { maximumFractionDigits: 1 })}k`
          : `$${v.toLocaleString("en-US", { maximumSignificantDigits: 4 })}`;

const callsText = (n) => `${count(n)} call${String(n) === "1" ? "" : "s"}`;

// One point a bucket from `from` to `to`, also where nothing was spent.
export function buckets(rows, unit, from, to) {
    const step = unit === "hour" ? 3600e3 : 86400e3;
    const known = new Map(rows.map((r) => [Math.floor(Date.parse(normalise(r.group)) / step), r]));
    const out = [];
    for (let t = Math.floor(from / step); t <= Math.floor(to / step); t++) {
        const row = known.get(t);
        out.push({ time: t * step, charge: row?.charge_usd ?? "0", calls: row?.calls ?? "0" });
    }
    return out;
}

function normalise(text) {
    const s = String(text).replace(" ", "T");
    return /^\d{4}-\d\d-\d\d$/.test(s) ? `${s}T00:00Z` : /[zZ]$/.test(s) ? s : /T\d\d$/.test(s) ? `${s}:00Z` : `${s}Z`;
}

// Amounts and numbers of calls a day or hour. `page.signal` ends its listeners.
export function timeChart(points, unit, page) {
    const name = new Intl.DateTimeFormat(
        undefined,
        unit === "hour"
            ? { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "UTC" }
            : { weekday: "short", month: "short", day: "numeric", timeZone: "UTC" },
    );
    const total = sum(points.map((p) => p.charge));
    if (isZero(total) && points.every((p) => Number(p.calls) === 0)) return emptyState("Nothing was spent in this time.");
    const highest = points.reduce((a, b) => (compare(b.charge, a.charge) > 0 ? b : a));
    const summary = `Spend a${unit === "hour" ? "n hour" : " day"}: ${usd(total)} in all, most ${usd(highest.charge)} on ${name.format(highest.time)}.`;
    const tip = h("div", { class: "chart-tip", hidden: true });
    const place = h("div", { class: "chart", role: "img", "aria-label": summary }, tip);
    const holder = h("div", { class: "chart-box" }, place, asTable(points, unit, name));
    let plot = null;

    const draw = () => {
        if (!place.isConnected || place.clientWidth === 0) return;
        plot?.destroy();
        plot = new window.uPlot(
            options(place, tip, points, name, unit),
            [points.map((p) => p.time / 1000), points.map((p) => toFloat(p.charge))],
            place,
        );
        // its empty legend table says nothing to anybody
        place.querySelectorAll("table").forEach((t) => t.remove());
    };
    const sizes = new ResizeObserver(draw);
    sizes.observe(place);
    window.addEventListener("theme-changed", draw, { signal: page.signal });
    page.signal.addEventListener("abort", () => {
        sizes.disconnect();
        plot?.destroy();
    });
    return holder;
}

function options(place, tip, points, name, unit) {
    const label = new Intl.DateTimeFormat(
        undefined,
        unit === "hour"
            ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" }
            : { month: "short", day: "numeric", timeZone: "UTC" },
    );
    const axis = { stroke: colour("--muted"), ticks: { show: false }, font: `12px ${getComputedStyle(document.body).fontFamily}` };
    return {
        width: place.clientWidth,
        height: place.clientWidth < 500 ? 190 : 300,
        padding: [12, 6, 0, 0],
        tzDate: (ts) => window.uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
        scales: {
            x: {
                time: true,
                range: (u, min, max) => {
                    const pad = points.length > 1 ? (points[1].time - points[0].time) / 2000 : 43200;
                    return [min - pad, max + pad];
                },
            },
            y: { range: (u, min, max) => [0, max > 0 ? max * 1.08 : 1] },
        },
        axes: [
            { ...axis, grid: { show: false }, size: 30, space: 68, values: (u, times) => times.map((t) => label.format(t * 1000)) },
            {
                ...axis,
                size: (u, values) => 14 + 7 * Math.max(4, ...(values ?? []).map((v) => v.length)),
                space: 44,
                grid: { stroke: colour("--line"), width: 1 },
                values: (u, values) => values.map(shortUsd),
            },
        ],
        series: [
            {},
            {
                stroke: colour("--accent"),
                fill: colour("--accent"),
                width: 0,
                points: { show: false },
                paths: window.uPlot.paths.bars({ size: [0.72, 42], radius: 0.18 }),
            },
        ],
        hooks: {
            setCursor: [
                (u) => {
                    const k = u.cursor.idx;
                    tip.hidden = k === null || k === undefined || u.cursor.left < 0;
                    if (tip.hidden) return;
                    fill(
                        tip,
                        h("b", null, usd(points[k].charge)),
                        h("span", null, `${name.format(points[k].time)} · ${callsText(points[k].calls)}`),
                    );
                    const x = u.valToPos(points[k].time / 1000, "x") + u.bbox.left / devicePixelRatio;
                    tip.style.left = `${Math.min(Math.max(x, 70), place.clientWidth - 70)}px`;
                },
            ],
        },
    };
}

function asTable(points, unit, name) {
    const used = points.filter((p) => !isZero(p.charge) || Number(p.calls) > 0);
    return h(
        "details",
        { class: "as-table" },
        h("summary", null, "Show as a table"),
        h(
            "div",
            { class: "table-wrap short", tabindex: "0", role: "region", "aria-label": "Spend as a table" },
            h(
                "table",
                { class: "table plain" },
                h(
                    "thead",
                    null,
                    h(
                        "tr",
                        null,
                        h("th", { scope: "col" }, unit === "hour" ? "Hour (UTC)" : "Day (UTC)"),
                        h("th", { scope: "col", class: "num" }, "Calls"),
                        h("th", { scope: "col", class: "num" }, "Charged"),
                    ),
                ),
                h(
                    "tbody",
                    null,
                    used
                        .reverse()
                        .map((p) =>
                            h(
                                "tr",
                                null,
                                h("th", { scope: "row" }, name.format(p.time)),
                                h("td", { class: "num" }, count(p.calls)),
                                h("td", { class: "num" }, usd(p.charge)),
                            ),
                        ),
                ),
            ),
        ),
    );
}

// The largest names with their share; the rest in one line.
export function barList(rows, { most = 8, onrow, label }) {
    const sorted = [...rows].sort((a, b) => compare(b.charge_usd, a.charge_usd));
    const shown = sorted.slice(0, sorted.length > most ? most - 1 : most);
    const rest = sorted.slice(shown.length);
    if (rest.length) {
        shown.push({
            label: `${rest.length} others`,
            charge_usd: sum(rest.map((r) => r.charge_usd)),
            calls: String(rest.reduce((n, r) => n + Number(r.calls), 0)),
            rest: true,
        });
    }
    const largest = shown.reduce((m, r) => Math.max(m, toFloat(r.charge_usd)), 0);
    return h(
        "ul",
        { class: "bars", "aria-label": label },
        shown.map((r) => {
            const bar = h("i", { "aria-hidden": "true" });
            bar.style.width = `${largest ? Math.max(0.5, (toFloat(r.charge_usd) / largest) * 100).toFixed(2) : 0}%`;
            const text = r.label ?? r.group ?? "–";
            const id = newId("bar");
            return h(
                "li",
                null,
                h(
                    "div",
                    { class: "bar-text" },
                    onrow && !r.rest
                        ? h("button", { type: "button", class: "link", id, onclick: () => onrow(r) }, text)
                        : h("span", { class: "bar-name" }, text),
                    h(
                        "span",
                        { class: "bar-value" },
                        h("b", null, money(r.charge_usd)),
                        h("span", { class: "muted" }, ` ${callsText(r.calls)}`),
                    ),
                ),
                h("div", { class: "bar" }, bar),
            );
        }),
    );
}
