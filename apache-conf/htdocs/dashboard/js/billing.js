// SPDX-License-Identifier: Apache-2.0
// Credit and where it came from, buying, refunds, statements, tiers.
import brand from "../brand/brand.js";
import { Exact, get, link, part, post } from "./api.js";
import { FieldError, append, badge, button, confirmDialog, field, form, h, panel, safeUrl, say, table } from "./dom.js";
import { day, money, month } from "./format.js";
import { compare, isZero, percent, typedAmount, usd } from "./decimal.js";
import { tierNotes } from "./overview.js";

const AMOUNTS = ["10", "25", "50", "100"];

function buy() {
    const amount = h("input", {
        name: "amount_usd",
        inputmode: "decimal",
        required: true,
        value: "25",
        maxlength: 20,
        autocomplete: "off",
    });
    return form(
        {
            action: "Go to payment",
            submit: async (v) => {
                const usdText = typedAmount(v.amount_usd);
                if (usdText === null || isZero(usdText)) throw new FieldError("amount_usd", "An amount such as 25, please.");
                let answer;
                try {
                    answer = await post("credit/checkout", { amount_usd: new Exact(usdText) });
                } catch (problem) {
                    if (problem.status === 404 || problem.code === "not_configured")
                        throw new Error(
                            `Cards are not taken here.${brand.support_email ? ` Write to ${brand.support_email} to buy credit.` : " Ask the operator how to buy credit."}`,
                        );
                    throw problem;
                }
                const url = safeUrl(answer.url);
                if (!url) throw new Error("The address of the payment page is not one.");
                location.assign(url);
            },
        },
        h(
            "div",
            { class: "choice spaced", role: "group", "aria-label": "Amounts" },
            AMOUNTS.map((a) =>
                h(
                    "button",
                    {
                        type: "button",
                        onclick: () => {
                            amount.value = a;
                            amount.focus();
                        },
                    },
                    `$${a}`,
                ),
            ),
        ),
        field("Amount in US dollars", amount, {
            hint: "You pay on Stripe's page. What you have not spent can be paid back within 30 days.",
        }),
    );
}

const LOTS = { grant: "Free credit", purchase: "Purchase" };

function lots(answer, reload) {
    return table(
        [
            { title: "Date", cell: (l) => day(l.created_at) },
            {
                title: "Kind",
                cell: (l) => [
                    LOTS[l.kind] ?? l.kind,
                    l.note && h("div", { class: "muted small break" }, l.note),
                    l.refund_pending_usd && !isZero(l.refund_pending_usd) && badge(`${usd(l.refund_pending_usd)} on its way back`, "warn"),
                ],
            },
            { title: "Amount", num: true, cell: (l) => money(l.amount_usd) },
            { title: "Left", num: true, class: "strong", cell: (l) => money(l.remaining_usd) },
            { title: "Paid back", num: true, cell: (l) => (l.refunded_usd && !isZero(l.refunded_usd) ? usd(l.refunded_usd) : "–") },
            {
                title: "Actions",
                sr: true,
                cell: (l) =>
                    l.refundable_usd &&
                    compare(l.refundable_usd, "0") > 0 &&
                    button(
                        "Refund",
                        () =>
                            confirmDialog(
                                "Refund this purchase?",
                                `${usd(l.refundable_usd)} that have not been spent are paid back, and leave your balance.`,
                                `Refund ${usd(l.refundable_usd)}`,
                                async () => {
                                    await post(`credit/${part(l.id)}/refund`, {});
                                    say("It is paid back.");
                                    reload(true);
                                },
                            ),
                        { kind: "small", label: `Refund ${usd(l.refundable_usd)} of ${day(l.created_at).textContent ?? ""}` },
                    ),
            },
        ],
        answer.lots,
        { label: "Credit" },
    );
}

function statements(page) {
    return panel({
        page,
        title: "Statements",
        hint: "Each adds up to the ledger, to the last digit.",
        load: (signal) => get("statements", null, { signal }),
        empty: "The first statement appears with the first movement.",
        view: (answer) =>
            table(
                [
                    { title: "Month", class: "strong", cell: (s) => [month(s.month), s.complete === false && badge("so far")] },
                    {
                        title: "Files",
                        sr: true,
                        cell: (s) =>
                            h(
                                "div",
                                { class: "buttons" },
                                h(
                                    "a",
                                    {
                                        class: "button small",
                                        href: link(`statements/${part(s.month)}`, { format: "csv" }),
                                        download: `statement-${s.month}.csv`,
                                        "aria-label": `CSV of ${month(s.month)}`,
                                    },
                                    "CSV",
                                ),
                                h(
                                    "a",
                                    {
                                        class: "button small",
                                        href: link(`statements/${part(s.month)}`),
                                        download: `statement-${s.month}.json`,
                                        "aria-label": `JSON of ${month(s.month)}`,
                                    },
                                    "JSON",
                                ),
                            ),
                    },
                ],
                answer.data,
                { label: "Statements", plain: true },
            ),
    }).node;
}

function tiers(page) {
    return panel({
        page,
        title: "Tiers",
        hint: "By what was charged in the last 30 days. Up at once, down one step at a time.",
        load: async (signal) => {
            const [list, me] = await Promise.all([get("tiers", null, { signal }), get("me", null, { signal })]);
            return { data: list.data, me };
        },
        view: ({ data, me }) => [
            h(
                "div",
                { class: "tier-progress" },
                h("p", null, h("b", { class: "big" }, me.tier), ` · markup ${percent(me.markup)}`),
                tierNotes(me).map((n) => h("div", { class: "stat-note" }, n)),
            ),
            table(
                [
                    { title: "Tier", class: "strong", cell: (t) => [t.name, t.name === me.tier && badge("yours", "accent")] },
                    { title: "30-day spend", num: true, cell: (t) => usd(t.min_spend_usd) },
                    { title: "Markup", num: true, cell: (t) => percent(t.markup) },
                ],
                data,
                { label: "Tiers", plain: true },
            ),
        ],
    }).node;
}

export function billing(page) {
    const credit = panel({
        page,
        title: "Credit",
        load: (signal) => get("credit", null, { signal }),
        view: (c) => [
            h("p", { class: "total" }, h("b", { class: "big" }, money(c.available_usd)), h("span", { class: "muted" }, " to spend")),
            !isZero(c.held_usd) &&
                h("p", { class: "muted" }, `${usd(c.balance_usd)} in all, ${usd(c.held_usd)} of it held for calls under way`),
            c.lots?.length ? lots(c, credit.reload) : h("p", { class: "muted" }, "There has been no credit yet."),
            h("p", { class: "hint" }, "Free credit is spent before purchases, the oldest first."),
        ],
    });
    append(
        page.root,
        h(
            "div",
            { class: "split" },
            credit.node,
            h(
                "section",
                { class: "card", "aria-label": "Buy credit" },
                h("div", { class: "panel-head" }, h("h2", null, "Buy credit")),
                buy(),
            ),
        ),
        h("div", { class: "split" }, statements(page), tiers(page)),
    );
    page.every(20, credit.poll);
}
