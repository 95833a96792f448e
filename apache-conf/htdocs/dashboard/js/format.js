// SPDX-License-Identifier: Apache-2.0
import { h, badge, meter } from "./dom.js";
import { compare, sum, toFloat, usd } from "./decimal.js";

const counts = new Intl.NumberFormat("en-US");
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
const clock = new Intl.DateTimeFormat(undefined, {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
});
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const monthName = new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric", timeZone: "UTC" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

export const count = (n) => (n === null || n === undefined || n === "" ? "–" : counts.format(Number(n)));

function parse(text) {
    if (text === null || text === undefined || text === "") return null;
    const s = String(text);
    // kie's times are milliseconds
    const time = /^\d+$/.test(s)
        ? Number(s)
        : Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(s) || !s.includes(":") ? s : s.replace(" ", "T") + "Z");
    return Number.isNaN(time) || time === 0 ? null : new Date(time);
}

export { parse as parseTime };

const timeNode = (d, text) => h("time", { datetime: d.toISOString(), title: d.toISOString() }, text);

export function when(text, otherwise = "–") {
    const d = parse(text);
    return d ? timeNode(d, moment.format(d)) : otherwise;
}

export function whenExactly(text, otherwise = "–") {
    const d = parse(text);
    return d ? timeNode(d, clock.format(d)) : otherwise;
}

export function day(text, otherwise = "–") {
    const d = parse(text);
    return d ? timeNode(d, date.format(d)) : otherwise;
}

export function ago(text, otherwise = "never") {
    const d = parse(text);
    if (!d) return otherwise;
    const seconds = (d - Date.now()) / 1000;
    for (const [unit, length] of [
        ["day", 86400],
        ["hour", 3600],
        ["minute", 60],
    ]) {
        if (Math.abs(seconds) >= length) return timeNode(d, relative.format(Math.trunc(seconds / length), unit));
    }
    return timeNode(d, seconds > 0 ? "in a moment" : "just now");
}

export const month = (ym) => monthName.format(new Date(`${ym}-01T00:00:00Z`));
export const dayText = (d) => date.format(d);

export const PERIODS = [
    ["none", "in total"],
    ["daily", "a day"],
    ["weekly", "a week"],
    ["monthly", "a month"],
];
export const periodText = (p) => Object.fromEntries(PERIODS)[p ?? "none"] ?? p;

// An amount with all its digits; from a dollar on, what is behind the cents stands back a little.
export function money(text) {
    const all = usd(text);
    const [, head, tail] = /^(.?\$[1-9][\d,]*\.\d\d)(\d*)$/.exec(all) ?? [null, all, ""];
    return h("span", { class: "money" }, head, tail && h("span", { class: "tail" }, tail));
}

// A cap with what is spent and held of it. Never a rounded amount.
export function capView(thing, label = "Cap") {
    if (thing.cap_usd === null || thing.cap_usd === undefined)
        return h("span", { class: "muted" }, thing.spent_usd ? [usd(thing.spent_usd), " spent, no cap"] : "–");
    const used = sum([thing.spent_usd ?? "0", thing.held_usd ?? "0"]);
    const text = `${usd(thing.spent_usd ?? "0")} of ${usd(thing.cap_usd)} ${periodText(thing.period)}`;
    return h(
        "div",
        { class: "cap" },
        meter(label, toFloat(used), toFloat(thing.cap_usd), text, compare(used, thing.cap_usd) >= 0 ? "full" : undefined),
        h(
            "div",
            { class: "cap-text" },
            h("span", null, text),
            compare(used, thing.cap_usd) >= 0 && badge("cap reached", "bad"),
            thing.held_usd && compare(thing.held_usd, "0") > 0 && h("span", { class: "muted" }, `${usd(thing.held_usd)} held`),
            thing.resets_at && h("span", { class: "muted" }, "resets ", when(thing.resets_at)),
        ),
    );
}

export function milliseconds(ms) {
    if (ms === null || ms === undefined || ms === "") return "–";
    const n = Number(ms);
    return n >= 1000 ? `${(n / 1000).toFixed(1)} s` : `${n} ms`;
}

const TONES = {
    ok: "good",
    success: "good",
    delivered: "good",
    error: "bad",
    upstream_error: "bad",
    timeout: "bad",
    fail: "bad",
    failed: "bad",
    dead: "bad",
    client_gone: "warn",
    cancelled: "warn",
    expired: "warn",
    pending: "warn",
    waiting: "warn",
    queuing: "warn",
    generating: "warn",
};
export const status = (text) => badge(String(text ?? "–").replaceAll("_", " "), TONES[text] ?? "");
