// SPDX-License-Identifier: Apache-2.0
// Deliveries of webhooks, sending them again, the secrets that sign them.
import { get, part, post } from "./api.js";
import {
    append,
    badge,
    button,
    copyButton,
    dialog,
    emptyState,
    errorState,
    field,
    fill,
    form,
    h,
    pagedPanel,
    panel,
    skeleton,
    say,
    select,
    table,
} from "./dom.js";
import { count, status, when, whenExactly } from "./format.js";

const STATES = [
    ["", "Any state"],
    ["pending", "pending"],
    ["delivered", "delivered"],
    ["dead", "dead"],
];
const LIVE_S = 10;
const PAGE_ROWS = 50;

async function redeliver(delivery, reload) {
    await post(`webhooks/${part(delivery.id)}/redeliver`, {});
    say("It is sent again.");
    reload(true);
}

const fact = (name, ...value) => [h("dt", null, name), h("dd", { class: "break" }, ...value)];

function detail(id, reload) {
    dialog(
        "Webhook delivery",
        (close) => {
            const body = skeleton();
            const load = () =>
                get(`webhooks/${part(id)}`)
                    .then((d) => {
                        body.className = "";
                        fill(
                            body,
                            h(
                                "dl",
                                { class: "facts" },
                                fact("State", status(d.state)),
                                fact("Event", d.event),
                                fact("Address", d.url),
                                fact("Task", h("code", null, d.task_id ?? "–")),
                                fact("Attempts", count(d.attempts)),
                                fact("Made", when(d.created_at)),
                                d.delivered_at && fact("Delivered", when(d.delivered_at)),
                                d.state === "pending" && fact("Next attempt", when(d.next_attempt_at)),
                                fact("Last answer", d.last_status ? `HTTP ${d.last_status}` : "none"),
                                d.last_error && fact("Last error", d.last_error),
                                fact("Delivery", h("code", null, d.id)),
                            ),
                            d.response_excerpt && [
                                h("h3", null, "What your server answered"),
                                h("pre", { tabindex: "0", "aria-label": "Answer of your server" }, h("code", null, d.response_excerpt)),
                            ],
                            h(
                                "div",
                                { class: "form-actions" },
                                button(
                                    "Send again",
                                    async () => {
                                        await redeliver(d, reload);
                                        close();
                                    },
                                    { kind: "primary", iconName: "refresh" },
                                ),
                            ),
                        );
                    })
                    .catch((problem) => {
                        body.className = "";
                        fill(body, errorState(problem, load));
                    });
            load();
            return body;
        },
        { wide: true },
    );
}

function secretPanel(page) {
    const list = panel({
        page,
        title: "Signing secrets",
        hint: "Every delivery is signed with each valid secret (webhook-signature, as Standard Webhooks defines it).",
        actions: button("Rotate", () => rotate(list.reload), { iconName: "refresh" }),
        load: (signal) => get("webhooks/secret", null, { signal }),
        isEmpty: (a) => (a.data ?? []).length === 0,
        empty: "There is none yet. Rotate to make the first one.",
        view: (answer) =>
            table(
                [
                    { title: "Secret", cell: (s) => h("code", null, `whsec_…${s.last4 ?? ""}`) },
                    { title: "Made", cell: (s) => when(s.created_at) },
                    { title: "Valid until", cell: (s) => (s.expires_at ? when(s.expires_at) : badge("current", "good")) },
                ],
                answer.data,
                { label: "Signing secrets" },
            ),
    });
    return list.node;
}

function rotate(reload) {
    dialog("Rotate the signing secret", (close) =>
        form(
            {
                action: "Rotate",
                cancel: close,
                submit: async (v) => {
                    const fresh = await post("webhooks/secret/rotate", { overlap_hours: Number(v.overlap) });
                    close();
                    reload(true);
                    const secret = fresh.secret;
                    dialog(
                        "Your new signing secret",
                        (done) =>
                            h(
                                "div",
                                null,
                                h("p", null, "This is the only time that it is shown. Give it to the program that receives your webhooks."),
                                h(
                                    "div",
                                    { class: "secret" },
                                    h("code", { class: "break", tabindex: "0", "aria-label": "The new secret" }, secret),
                                    copyButton(() => secret),
                                ),
                                h("div", { class: "form-actions" }, button("I have stored it", done, { kind: "primary" })),
                            ),
                        { sticky: true },
                    );
                },
            },
            field(
                "The old one stays valid for",
                select(
                    "overlap",
                    [
                        ["0", "no time: it is known to others"],
                        ["1", "1 hour"],
                        ["24", "24 hours"],
                        ["168", "7 days"],
                    ],
                    "24",
                ),
                { hint: "Meanwhile deliveries carry both signatures." },
            ),
        ),
    );
}

const columns = (open, reload) => [
    {
        title: "Made",
        cell: (d) =>
            h("button", { type: "button", class: "link", "aria-haspopup": "dialog", onclick: () => open(d) }, whenExactly(d.created_at)),
    },
    { title: "Event", class: "break", cell: (d) => d.event },
    { title: "Address", class: "break", cell: (d) => d.url },
    { title: "State", cell: (d) => [status(d.state), d.last_status && h("span", { class: "muted small" }, ` HTTP ${d.last_status}`)] },
    { title: "Attempts", num: true, cell: (d) => count(d.attempts) },
    { title: "Next attempt", cell: (d) => (d.state === "pending" ? whenExactly(d.next_attempt_at) : "–") },
    {
        title: "Actions",
        sr: true,
        cell: (d) => button("Send again", () => redeliver(d, reload), { kind: "small", label: `Send the delivery ${d.id} again` }),
    },
];

export function webhooks(page) {
    let state = page.params.get("state") ?? "";
    const reload = (quiet) => list.reload(quiet);
    const open = (delivery) => detail(delivery.id, reload);
    const choose = (event) => {
        state = event.target.value;
        list.reload();
    };
    const list = pagedPanel({
        page,
        title: "Deliveries",
        actions: select("state", STATES, state, { "aria-label": "State", onchange: choose }),
        ask: (after) => get("webhooks", { state, limit: PAGE_ROWS, after }, { signal: page.signal }),
        draw: (rows) => table(columns(open, reload), rows, { label: "Deliveries", onrow: open }),
        empty: () => emptyState(state ? "No delivery in this state." : "When a job with a callBackUrl ends, the call to it appears here."),
    });
    page.every(LIVE_S, () => {
        if (list.rows.length <= PAGE_ROWS) list.poll();
    });
    append(page.root, list.node, secretPanel(page));
}
