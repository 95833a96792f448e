// SPDX-License-Identifier: Apache-2.0
// Balance, burn and tier; where the money went; the last calls; first steps for a new account.
import { baseUrl, get } from "./api.js";
import { append, badge, copyButton, emptyState, h, meter, panel } from "./dom.js";
import { barList, buckets, timeChart } from "./charts.js";
import { count, money } from "./format.js";
import { compare, divide, isZero, percent, roughly, subtract, sum, toFloat, usd } from "./decimal.js";
import { usageTable } from "./usage.js";

const DAY = 86400e3;
const BURN_DAYS = 7;
const iso = (ms) => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

const RANGES = [
    ["1", "24 hours"],
    ["7", "7 days"],
    ["30", "30 days"],
    ["90", "90 days"],
];
const GROUPS = [
    ["model", "Model"],
    ["key", "Key"],
    ["member", "Member"],
    ["provider", "Provider"],
];

// The sums are kept by the hour.
const wholeHour = (ms) => Math.floor(ms / 3600e3) * 3600e3;

const rangeOf = (days, now = Date.now()) => {
    const unit = days === "1" ? "hour" : "day";
    const from = unit === "hour" ? wholeHour(now - 23 * 3600e3) : Math.floor(now / DAY) * DAY - (Number(days) - 1) * DAY;
    return { unit, from, to: now };
};

// Buttons of which one is chosen.
export function choice(label, options, chosen, action) {
    const node = h(
        "div",
        { class: "choice", role: "group", "aria-label": label },
        options.map(([value, text]) =>
            h(
                "button",
                {
                    type: "button",
                    "aria-pressed": String(value === chosen),
                    onclick: (event) => {
                        for (const b of node.children) b.setAttribute("aria-pressed", String(b === event.currentTarget));
                        action(value);
                    },
                },
                text,
            ),
        ),
    );
    return node;
}

function stat(title, value, ...notes) {
    return h(
        "section",
        { class: "card stat", "aria-label": title },
        h("h2", null, title),
        h("p", { class: "stat-value" }, value),
        notes.map((n) => n && h("div", { class: "stat-note" }, n)),
    );
}

// What the last days cost on average, and how long the rest lasts at that rate.
function burnStat(me, week) {
    const days = week.data.filter((r) => !isZero(r.charge_usd)).length;
    const total = sum(week.data.map((r) => r.charge_usd));
    if (days === 0) return stat("Burn", "–", `Nothing spent in the last ${BURN_DAYS} days.`);
    const daily = divide(total, BURN_DAYS);
    const left = isZero(daily) ? Infinity : toFloat(me.available_usd) / toFloat(daily);
    const text =
        compare(me.available_usd, "0") <= 0
            ? "no credit left"
            : left < 1
              ? "less than a day left"
              : left > 3650
                ? "more than 10 years left"
                : `about ${count(Math.floor(left))} day${Math.floor(left) === 1 ? "" : "s"} left`;
    return stat(
        "Burn",
        [h("span", { class: "money" }, `≈ ${roughly(daily)}`), h("span", { class: "unit" }, " a day")],
        h("span", null, badge(text, left < 3 ? "bad" : left < 10 ? "warn" : "good")),
        `${usd(total)} in the last ${BURN_DAYS} days`,
    );
}

// Tier, and how far the next one is.
export function tierNotes(me) {
    if (!me.next_tier) return ["The highest tier."];
    const spent = me.spend_30d_usd;
    const text = `${usd(spent)} of ${usd(me.next_tier_usd)} in 30 days`;
    return [
        meter(`Way to ${me.next_tier}`, toFloat(spent), toFloat(me.next_tier_usd), text, "tier"),
        `${usd(me.next_tier_missing_usd)} more in 30 days for ${me.next_tier}`,
    ];
}

function stats(page) {
    const node = h("div", { class: "stats-holder" });
    const p = panel({
        page,
        className: "bare",
        load: async (signal) => {
            const now = Date.now();
            const [me, week] = await Promise.all([
                get("me", null, { signal }),
                get("usage/summary", { group: "day", from: iso(wholeHour(now) - BURN_DAYS * DAY) }, { signal }),
            ]);
            return { me, week };
        },
        view: ({ me, week }) =>
            h(
                "div",
                { class: "stats" },
                stat(
                    "Balance",
                    money(me.available_usd),
                    !isZero(me.held_usd) && `${usd(me.held_usd)} of ${usd(me.balance_usd)} held for calls under way`,
                    h("a", { href: "#/billing" }, "Add credit"),
                ),
                burnStat(me, week),
                stat(
                    "Spent in 30 days",
                    money(me.spend_30d_usd),
                    me.account?.cap_usd
                        ? `Account cap ${usd(me.account.cap_usd)}, ${usd(subtract(me.account.cap_usd, me.account.spent_usd))} left`
                        : "No account cap",
                ),
                stat("Tier", me.tier, ...tierNotes(me), `Markup ${percent(me.markup)}`),
            ),
    });
    append(node, p.node);
    page.every(20, p.poll);
    return node;
}

function spendPanels(page) {
    let days = "30",
        group = "model";
    const range = () => ({ from: iso(rangeOf(days).from) });
    const time = panel({
        page,
        title: "Spend",
        className: "wide-card",
        actions: choice("Time", RANGES, days, (v) => {
            days = v;
            time.reload();
            names.reload();
        }),
        load: (signal) => {
            const { unit } = rangeOf(days);
            return get("usage/summary", { group: unit, ...range() }, { signal });
        },
        view: (list) => {
            const { unit, from, to } = rangeOf(days);
            const points = buckets(list.data, unit, from, to);
            return [
                h(
                    "p",
                    { class: "total" },
                    h("b", null, money(sum(points.map((p) => p.charge)))),
                    h("span", { class: "muted" }, ` in ${RANGES.find(([v]) => v === days)[1]}`),
                ),
                timeChart(points, unit, page),
            ];
        },
    });
    const names = panel({
        page,
        title: "Where it went",
        actions: choice("By", GROUPS, group, (v) => {
            group = v;
            names.reload();
        }),
        load: (signal) => get("usage/summary", { group, ...range() }, { signal }),
        empty: "Nothing was spent in this time.",
        view: (list) =>
            barList(list.data, {
                label: `Spend by ${group}`,
                onrow: ["model", "key"].includes(group)
                    ? (r) => {
                          page.app.go(
                              `#/usage?${group === "model" ? `model=${encodeURIComponent(r.group)}` : `key_id=${encodeURIComponent(r.group)}`}`,
                          );
                      }
                    : null,
            }),
    });
    return h("div", { class: "split" }, time.node, names.node);
}

function snippet(title, text) {
    return h(
        "div",
        { class: "snippet" },
        h(
            "div",
            { class: "snippet-head" },
            h("span", null, title),
            copyButton(() => text),
        ),
        h("pre", { tabindex: "0", "aria-label": title }, h("code", null, text)),
    );
}

export function snippets(key) {
    const shown = key ?? "sk-aig-...";
    return [
        snippet(
            "Python, with the OpenAI SDK",
            `from openai import OpenAI\n\nclient = OpenAI(base_url="${baseUrl}", api_key="${shown}")\nanswer = client.chat.completions.create(\n    model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello!"}])\nprint(answer.choices[0].message.content)`,
        ),
        snippet(
            "curl",
            `curl ${baseUrl}/chat/completions \\\n  -H 'Authorization: Bearer ${shown}' -H 'Content-Type: application/json' \\\n  -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello!"}]}'`,
        ),
    ];
}

function firstSteps() {
    return h(
        "section",
        { class: "card steps", "aria-label": "First steps" },
        h("h2", null, "First steps"),
        h(
            "ol",
            null,
            h("li", null, h("a", { href: "#/keys?new=1" }, "Make an API key"), " and give it a cap, so that it can never spend more."),
            h("li", null, "Try it in the ", h("a", { href: "#/playground" }, "playground"), ", or from your code:"),
        ),
        snippets(),
    );
}

function recent(page) {
    const p = panel({
        page,
        title: "Last calls",
        actions: h("a", { href: "#/usage" }, "All calls"),
        load: (signal) => get("usage", { limit: 5 }, { signal }),
        isEmpty: (list) => list.data.length === 0,
        empty: () => [emptyState("No call has been made yet."), firstSteps()],
        view: (list) => usageTable(list.data, page).node,
    });
    page.every(20, p.poll);
    return p.node;
}

export function overview(page) {
    append(page.root, stats(page), spendPanels(page), recent(page));
}
