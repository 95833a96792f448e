// SPDX-License-Identifier: Apache-2.0
// The person's own account: sessions, password, signing out everywhere.
import { get, part, post, remove } from "./api.js";
import { append, badge, button, confirmDialog, h, panel, say, table } from "./dom.js";
import { ago, when } from "./format.js";

const BROWSERS = [
    ["Edg/", "Edge"],
    ["OPR/", "Opera"],
    ["Firefox/", "Firefox"],
    ["Chrome/", "Chrome"],
    ["Safari/", "Safari"],
    ["curl/", "curl"],
];
const SYSTEMS = [
    ["iPhone", "iPhone"],
    ["iPad", "iPad"],
    ["Android", "Android"],
    ["Windows", "Windows"],
    ["Mac OS", "macOS"],
    ["Linux", "Linux"],
];

function device(agent) {
    const found = (list) => list.find(([mark]) => agent?.includes(mark))?.[1];
    return [found(BROWSERS) ?? (agent ? "A program" : "Unknown"), found(SYSTEMS)].filter(Boolean).join(" on ");
}

export function account(page) {
    const who = page.app.session.account;
    const profile = h(
        "section",
        { class: "card", "aria-label": "You" },
        h("div", { class: "panel-head" }, h("h2", null, "You")),
        h(
            "dl",
            { class: "facts" },
            who.name && [h("dt", null, "Name"), h("dd", { class: "break" }, who.name)],
            h("dt", null, "E-mail"),
            h("dd", { class: "break" }, who.email),
            h("dt", null, "Account"),
            h("dd", null, h("code", null, who.id)),
        ),
        h(
            "div",
            { class: "form-actions start" },
            button("Change the password", async () => {
                await post("auth/reset", { email: who.email }, { anonymous: true });
                say(`We have sent a link to ${who.email}.`);
            }),
        ),
    );
    const sessions = panel({
        page,
        title: "Sessions",
        hint: "Where you are signed in.",
        actions: button(
            "Sign out everywhere",
            () =>
                confirmDialog(
                    "Sign out everywhere?",
                    "Every session ends, this one too. API keys go on working.",
                    "Sign out everywhere",
                    () => page.app.signOut(true),
                ),
            { kind: "danger" },
        ),
        load: (signal) => get("auth/sessions", null, { signal }),
        empty: "There is none.",
        view: (answer) =>
            table(
                [
                    {
                        title: "Device",
                        cell: (s) =>
                            h(
                                "div",
                                null,
                                h("div", { class: "strong" }, device(s.user_agent), " ", s.current && badge("this one", "accent")),
                                h("div", { class: "muted small break" }, s.user_agent),
                            ),
                    },
                    { title: "Network", class: "break", cell: (s) => s.network ?? "–" },
                    { title: "Signed in", cell: (s) => when(s.created_at) },
                    { title: "Last used", cell: (s) => ago(s.last_used_at) },
                    {
                        title: "Actions",
                        sr: true,
                        cell: (s) =>
                            !s.current &&
                            button(
                                "End",
                                async () => {
                                    await remove(`auth/sessions/${part(s.id)}`);
                                    say("The session has ended.");
                                    sessions.reload(true);
                                },
                                { kind: "small danger-text", label: `End the session on ${device(s.user_agent)}` },
                            ),
                    },
                ],
                answer.data,
                { label: "Sessions" },
            ),
    });
    append(page.root, profile, sessions.node);
}
