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

function profile(who) {
    const change = button("Change the password", async () => {
        await post("auth/reset", { email: who.email }, { anonymous: true });
        say(`We have sent a link to ${who.email}.`);
    });
    const facts = h(
        "dl",
        { class: "facts" },
        who.name && [h("dt", null, "Name"), h("dd", { class: "break" }, who.name)],
        [h("dt", null, "E-mail"), h("dd", { class: "break" }, who.email)],
        [h("dt", null, "Account"), h("dd", null, h("code", null, who.id))],
    );
    const head = h("div", { class: "panel-head" }, h("h2", null, "You"));
    return h("section", { class: "card", "aria-label": "You" }, head, facts, h("div", { class: "form-actions start" }, change));
}

function end(session, reload) {
    const action = async () => {
        await remove(`auth/sessions/${part(session.id)}`);
        say("The session has ended.");
        reload(true);
    };
    return button("End", action, { kind: "small danger-text", label: `End the session on ${device(session.user_agent)}` });
}

const columns = (reload) => [
    {
        title: "Device",
        cell: (s) => [
            h("div", { class: "strong" }, device(s.user_agent), " ", s.current && badge("this one", "accent")),
            h("div", { class: "muted small break" }, s.user_agent),
        ],
    },
    { title: "Network", class: "break", cell: (s) => s.network ?? "–" },
    { title: "Signed in", cell: (s) => when(s.created_at) },
    { title: "Last used", cell: (s) => ago(s.last_used_at) },
    { title: "Actions", sr: true, cell: (s) => !s.current && end(s, reload) },
];

function askEverywhere(app) {
    const text = "Every session ends, this one too. API keys go on working.";
    confirmDialog("Sign out everywhere?", text, "Sign out everywhere", () => app.signOut(true));
}

export function account(page) {
    const sessions = panel({
        page,
        title: "Sessions",
        hint: "Where you are signed in.",
        actions: button("Sign out everywhere", () => askEverywhere(page.app), { kind: "danger" }),
        load: (signal) => get("auth/sessions", null, { signal }),
        empty: "There is none.",
        view: (answer) =>
            table(
                columns((quiet) => sessions.reload(quiet)),
                answer.data,
                { label: "Sessions" },
            ),
    });
    append(page.root, profile(page.app.session.account), sessions.node);
}
