// SPDX-License-Identifier: Apache-2.0
// The table of calls, live, with search; the arithmetic of one charge.
import { get, part } from "./api.js";
import {
    append,
    badge,
    copyButton,
    dialog,
    emptyState,
    errorState,
    fill,
    h,
    pagedPanel,
    say,
    select,
    skeleton,
    table,
    tableRow,
} from "./dom.js";
import { count, milliseconds, money, status, when, whenExactly } from "./format.js";
import { isZero, percent, plain, usd } from "./decimal.js";

const STATUSES = [
    ["", "Any status"],
    ...["ok", "client_gone", "error", "upstream_error", "timeout", "cancelled", "expired"].map((s) => [s, s.replaceAll("_", " ")]),
];
const PAGE_ROWS = 50;
const LIVE_S = 5;
const SEARCH_MS = 300;

const keyText = (row) => [row.key?.name ?? "–", row.team && h("span", { class: "muted" }, ` · ${row.team.name}`)];

const columns = () => [
    {
        title: "Time",
        cell: (r) =>
            h(
                "button",
                { type: "button", class: "link", "aria-haspopup": "dialog", onclick: () => showCharge(r.id) },
                whenExactly(r.created_at),
            ),
    },
    { title: "Model", class: "strong break model", cell: (r) => r.model },
    { title: "Key", class: "break roomy", cell: keyText },
    { title: "Provider", class: "roomy", cell: (r) => [r.provider ?? "–", r.hedged_from && badge(`instead of ${r.hedged_from}`, "warn")] },
    { title: "Status", cell: (r) => [status(r.status), r.estimated === true && badge("estimated")] },
    { title: "Tokens in", num: true, class: "roomy", cell: (r) => count(r.input_tokens) },
    { title: "Tokens out", num: true, class: "roomy", cell: (r) => count(r.output_tokens) },
    { title: "Charge", num: true, class: "strong", cell: (r) => money(r.charge_usd) },
];

export function usageTable(rows) {
    return { node: table(columns(), rows, { label: "Calls", onrow: (r) => showCharge(r.id) }) };
}

const fact = (name, ...value) => [h("dt", null, name), h("dd", null, ...value)];
const KINDS = {
    input: "Input",
    cached_input: "Input from a cache",
    cache_write_5m: "Cache writes, 5 min",
    cache_write_1h: "Cache writes, 1 h",
    output: "Output",
    reasoning: "Reasoning",
};

const TOOLS = {
    web_search: "Web search",
    web_search_preview: "Web search (preview)",
    file_search: "File search",
    code_interpreter: "Code interpreter",
};

const number = (text, more) => h("td", { class: "num", ...more }, text);
const line = (name, amount, price, subtotal) =>
    h("tr", null, h("th", { scope: "row" }, name), number(amount), number(price), number(subtotal));
const sumLine = (name, how, amount, kind) =>
    h("tr", { class: kind }, h("th", { scope: "row" }, name), number(how, { colspan: 2 }), number(amount));

// What was used at which price: tokens by kind, tools that the provider ran, units of a job, or what the provider named.
function usedLines(a) {
    const lines = (a.lines ?? []).map((l) =>
        line(KINDS[l.kind] ?? l.kind, count(l.tokens), `× ${usd(l.usd_per_million_tokens)} / 1M`, usd(l.subtotal_usd)),
    );
    for (const t of a.tools ?? []) {
        const unit = t.memory_gb ? `${t.unit} of ${t.memory_gb} GB` : t.unit;
        lines.push(line(TOOLS[t.kind] ?? t.kind, count(t.count), `× ${usd(t.unit_usd)} / ${unit}`, usd(t.subtotal_usd)));
    }
    if (a.unit) lines.push(line(a.variant || a.unit, plain(a.quantity), `× ${usd(a.unit_usd)} / ${a.unit}`, usd(a.subtotal_usd)));
    if (plain(a.upstream_cost_usd) !== null) lines.push(sumLine("Cost that the provider named", "", usd(a.upstream_cost_usd)));
    return lines;
}

// How a charge comes about, line by line, with the digits of the ledger.
function arithmetic(a) {
    if (!a) return null;
    const titles = ["Kind", a.unit ? "Quantity" : "Tokens", "Price", "Amount"];
    const head = titles.map((title, k) => h("th", { scope: "col", class: k ? "num" : "" }, title));
    const rows = [
        usedLines(a),
        sumLine("Subtotal", "", usd(a.subtotal_usd)),
        sumLine("Markup", `× (1 + ${percent(a.markup)})`, ""),
        !isZero(a.absorbed_usd) && sumLine("Beyond the hold", "we bear it", `−${usd(a.absorbed_usd)}`),
        sumLine("Charge", `held before: ${usd(a.hold_usd)}`, usd(a.charge_usd), "sum"),
    ];
    const caption = h("caption", { class: "sr" }, "The arithmetic of this charge");
    const grid = h("table", { class: "table plain arithmetic" }, caption, h("thead", null, h("tr", null, head)), h("tbody", null, rows));
    const price = [a.price_id && `. Price version ${a.price_id}`, a.long_prompt_price === true && ", the price for long prompts"];
    return [h("div", { class: "table-wrap" }, grid), h("p", { class: "hint" }, a.rule, price, ".")];
}

export function showCharge(id) {
    dialog(
        "One call",
        () => {
            const body = skeleton();
            const load = () =>
                get(`usage/${part(id)}`)
                    .then((u) => {
                        body.className = "";
                        fill(
                            body,
                            h("p", { class: "big-charge" }, money(u.charge_usd), u.estimated === true && badge("estimated", "warn")),
                            arithmetic(u.arithmetic),
                            h(
                                "dl",
                                { class: "facts" },
                                fact("Model", u.model),
                                fact("Provider", u.provider ?? "none was asked", u.hedged_from && ` (instead of ${u.hedged_from})`),
                                fact("Status", status(u.status), u.http_status && u.http_status !== "0" ? ` HTTP ${u.http_status}` : ""),
                                fact("Time", when(u.created_at)),
                                fact("First byte, whole call", milliseconds(u.first_byte_ms), ", ", milliseconds(u.duration_ms)),
                                fact("Streamed", u.stream ? "yes" : "no"),
                                fact(
                                    "Request",
                                    h("code", { class: "break" }, u.id),
                                    " ",
                                    copyButton(() => u.id, ""),
                                ),
                            ),
                        );
                        body.querySelector(".facts button")?.setAttribute("aria-label", "Copy the request id");
                    })
                    .catch((problem) => {
                        if (problem.name !== "AbortError") {
                            body.className = "";
                            fill(body, errorState(problem, load));
                        }
                    });
            load();
            return body;
        },
        { wide: true },
    );
}

const FILTERS = ["q", "model", "key_id", "status", "from", "to"];

function filterInputs(now) {
    const chosen = (value, text) => (value ? [[value, text]] : []);
    const day = (name, text) =>
        h("label", { class: "inline" }, h("span", null, text), h("input", { type: "date", name, value: now[name] }));
    const search = { type: "search", name: "q", value: now.q, placeholder: "Search model, key, request id", maxlength: 100 };
    return [
        h("input", { ...search, "aria-label": "Search calls" }),
        select("model", [["", "Any model"], ...chosen(now.model, now.model)], now.model, { "aria-label": "Model" }),
        select("key_id", [["", "Any key"], ...chosen(now.key_id, `Key ${now.key_id}`)], now.key_id, { "aria-label": "Key" }),
        select("status", STATUSES, now.status, { "aria-label": "Status" }),
        h("div", { class: "dates" }, day("from", "From"), day("to", "to")),
    ];
}

// Adds the choices that the account has; the chosen one gets its name.
function offer(into, choices) {
    for (const [value, text] of choices) {
        const there = [...into.options].find((o) => o.value === value);
        if (there) there.textContent = text;
        else append(into, h("option", { value }, text));
    }
}

function filters(page, changed) {
    const now = Object.fromEntries(FILTERS.map((name) => [name, page.params.get(name) ?? ""]));
    const node = h("form", { class: "filters", role: "search", "aria-label": "Filter calls" }, filterInputs(now));
    const read = () => Object.fromEntries([...new FormData(node)].map(([k, v]) => [k, v.trim()]));
    const { model, key_id: key, q: search } = node.elements;
    let timer = null;
    const apply = () => {
        const values = Object.entries(read()).filter(([, v]) => v);
        history.replaceState(null, "", `#/usage${values.length ? `?${new URLSearchParams(values)}` : ""}`);
        changed();
    };
    node.addEventListener("submit", (event) => {
        event.preventDefault();
        clearTimeout(timer);
        apply();
    });
    node.addEventListener("input", (event) => {
        clearTimeout(timer);
        timer = setTimeout(apply, event.target === search ? SEARCH_MS : 0);
    });
    const silent = () => null; // the lists stay short
    const { signal } = page;
    get("keys", { limit: 200 }, { signal }).then(
        (l) =>
            offer(
                key,
                l.data.map((k) => [k.id, k.name]),
            ),
        silent,
    );
    get("usage/summary", { group: "model" }, { signal }).then(
        (l) =>
            offer(
                model,
                l.data.map((m) => [m.group, m.label]),
            ),
        silent,
    );
    return { node, read };
}

// A day in the filter means that whole day, UTC.
function query(values) {
    const q = { ...values, limit: PAGE_ROWS };
    if (values.from) q.from = `${values.from}T00:00:00Z`;
    if (values.to) q.to = new Date(Date.parse(`${values.to}T00:00:00Z`) + 86400e3).toISOString().replace(".000", "");
    return q;
}

// New calls come in on top; what has been loaded below stays.
async function takeNew(list, ask) {
    if (!list.holder.isConnected) return list.poll();
    const answer = await ask();
    const known = new Set(list.rows.map((r) => r.id));
    const fresh = answer.data.filter((r) => !known.has(r.id));
    if (!fresh.length || !list.holder.isConnected) return;
    list.rows.unshift(...fresh);
    const body = list.holder.querySelector("tbody");
    if (!body) return list.draw();
    const rows = fresh.map((r) => tableRow(columns(), r, (x) => showCharge(x.id)));
    for (const tr of rows) tr.classList.add("fresh");
    body.prepend(...rows);
}

export function usage(page) {
    let live = true;
    const filter = filters(page, () => list.reload());
    const ask = (after) => get("usage", { ...query(filter.read()), after }, { signal: page.signal });
    const list = pagedPanel({
        page,
        ask,
        draw: (rows) => usageTable(rows).node,
        // a search reads a stretch of calls at a time: nothing found in it is not the end
        none: "None among the newest calls.",
        moreText: "Load older calls",
        empty: () => emptyState(Object.values(filter.read()).some(Boolean) ? "No call matches." : "No call has been made yet."),
    });
    page.every(LIVE_S, () => live && takeNew(list, ask).catch(() => null));
    const toggle = (event) => {
        live = !live;
        event.currentTarget.setAttribute("aria-pressed", String(live));
        say(live ? "New calls appear by themselves." : "The table stands still.");
    };
    const attributes = { type: "button", class: "small live", "aria-pressed": "true", onclick: toggle };
    append(page.actions, h("button", attributes, h("i", { "aria-hidden": "true" }), "Live"));
    append(page.root, filter.node, list.node);
}
