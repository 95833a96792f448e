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
    panel,
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
            const body = h("div", { class: "skeleton", role: "status" }, h("span", { class: "sr" }, "Loading"), h("i"), h("i"), h("i"));
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
                                fact("Last answer", d.last_status && d.last_status !== "0" ? `HTTP ${d.last_status}` : "none"),
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
                    const secret = fresh.secret ?? fresh.key;
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

export function webhooks(page) {
    let state = page.params.get("state") ?? "",
        shown = [],
        next = null;
    const holder = h("div");
    const ask = (after) => get("webhooks", { state, limit: 50, after }, { signal: page.signal });
    const columns = [
        {
            title: "Made",
            cell: (d) =>
                h(
                    "button",
                    { type: "button", class: "link", "aria-haspopup": "dialog", onclick: () => detail(d.id, list.reload) },
                    whenExactly(d.created_at),
                ),
        },
        { title: "Event", class: "break", cell: (d) => d.event },
        { title: "Address", class: "break", cell: (d) => d.url },
        {
            title: "State",
            cell: (d) => [
                status(d.state),
                d.last_status && d.last_status !== "0" && h("span", { class: "muted small" }, ` HTTP ${d.last_status}`),
            ],
        },
        { title: "Attempts", num: true, cell: (d) => count(d.attempts) },
        { title: "Next attempt", cell: (d) => (d.state === "pending" ? whenExactly(d.next_attempt_at) : "–") },
        {
            title: "Actions",
            sr: true,
            cell: (d) => button("Send again", () => redeliver(d, list.reload), { kind: "small", label: `Send the delivery ${d.id} again` }),
        },
    ];
    const more = button("Load more", async () => {
        const answer = await ask(next);
        shown.push(...answer.data);
        next = answer.has_more ? answer.next : null;
        draw();
    });
    const draw = () =>
        fill(
            holder,
            table(columns, shown, { label: "Deliveries", onrow: (d) => detail(d.id, list.reload) }),
            next && h("div", { class: "more" }, more),
        );
    const list = panel({
        page,
        title: "Deliveries",
        actions: select("state", STATES, state, {
            "aria-label": "State",
            onchange: (event) => {
                state = event.target.value;
                list.reload();
            },
        }),
        load: () => ask(),
        isEmpty: (a) => a.data.length === 0,
        empty: () => emptyState(state ? "No delivery in this state." : "When a job with a callBackUrl ends, the call to it appears here."),
        view: (answer) => {
            shown = answer.data;
            next = answer.has_more ? answer.next : null;
            draw();
            return holder;
        },
    });
    page.every(LIVE_S, () => {
        if (!document.querySelector("dialog[open]") && shown.length <= 50) list.reload(true);
    });
    append(page.root, list.node, secretPanel(page));
}
