// SPDX-License-Identifier: Apache-2.0
// Start, frame and addresses of the dashboard. It is static, needs no build, and reads nothing but the API.
import brand from "./brand/brand.js";
import { post, useCsrf } from "./js/api.js";
import { button, dialog, errorState, fill, h, icon, say } from "./js/dom.js";
import { gate, invitation, openSession, otherView, readToken, termsView } from "./js/sign.js";
import { overview } from "./js/overview.js";
import { usage } from "./js/usage.js";
import { playground } from "./js/playground.js";
import { keys } from "./js/keys.js";
import { team } from "./js/team.js";
import { jobs } from "./js/jobs.js";
import { webhooks } from "./js/webhooks.js";
import { billing } from "./js/billing.js";
import { account } from "./js/account.js";

const PAGES = [
    ["overview", "Overview", overview],
    ["usage", "Usage", usage],
    ["playground", "Playground", playground],
    ["keys", "API keys", keys],
    ["team", "Teams", team],
    ["jobs", "Media jobs", jobs],
    ["webhooks", "Webhooks", webhooks],
    ["billing", "Billing", billing],
    ["account", "Account", account],
];
const GATE = ["#/sign-in", "#/sign-up", "#/forgot", "#/terms"];

const holder = document.getElementById("app");
const app = { session: null, notice: null, email: null, memoryKey: null, page: null, first: true, show, go, signedIn, signOut };

function go(hash) {
    if (location.hash === hash) draw();
    else location.hash = hash;
}

function show(node) {
    app.page?.abort();
    app.page = null;
    fill(holder, node);
    document.title = `${node.querySelector("h1")?.textContent ?? "Dashboard"} · ${brand.name}`;
    if (!app.first) node.querySelector("h1")?.focus();
    app.first = false;
}

async function signedIn(session) {
    useCsrf(session.csrf_token);
    app.session = session;
    app.notice = null;
    if (GATE.includes(location.hash) || !location.hash) history.replaceState(null, "", "#/overview");
    draw();
    await acceptInvitation();
}

function forget() {
    app.session = null;
    app.memoryKey = null;
    useCsrf(null);
    document.querySelectorAll("dialog[open]").forEach((d) => d.close());
}

async function signOut(everywhere) {
    await post("auth/logout", { everywhere });
    forget();
    app.notice = everywhere ? "You are signed out on every device." : "You are signed out.";
    go("#/sign-in");
}

function acceptInvitation() {
    const token = invitation.take();
    if (!token || app.asking) return;
    app.asking = true;
    dialog(
        "Join the team?",
        (close) =>
            h(
                "div",
                null,
                h(
                    "p",
                    null,
                    "You have been invited to share a team. Its calls are paid by the team's account, within the caps that its owner sets.",
                ),
                h(
                    "div",
                    { class: "form-actions" },
                    button("Not now", () => {
                        invitation.forget();
                        close();
                    }),
                    button(
                        "Join the team",
                        async () => {
                            try {
                                await post("invitations/accept", { token });
                                say("You are a member now.");
                                go("#/team");
                            } finally {
                                invitation.forget();
                                close();
                            }
                        },
                        { kind: "primary", autofocus: true },
                    ),
                ),
            ),
        {
            onclose: () => {
                app.asking = false;
            },
        },
    );
}

// --- Frame ------------------------------------------------------------------------------------------

const THEMES = [
    ["", "auto", "Theme: as the system"],
    ["light", "sun", "Theme: light"],
    ["dark", "moon", "Theme: dark"],
];

function themeButton() {
    const node = h("button", { type: "button", class: "ghost icon-only" });
    const label = () => {
        const [, iconName, text] = THEMES.find(([t]) => t === (document.documentElement.dataset.theme ?? ""));
        node.setAttribute("aria-label", text);
        node.title = text;
        fill(node, icon(iconName));
    };
    node.addEventListener("click", () => {
        const next = THEMES[(THEMES.findIndex(([t]) => t === (document.documentElement.dataset.theme ?? "")) + 1) % THEMES.length][0];
        if (next) document.documentElement.dataset.theme = next;
        else delete document.documentElement.dataset.theme;
        try {
            localStorage.setItem("theme", next);
        } catch {
            /* it holds for this visit */
        }
        label();
        window.dispatchEvent(new Event("theme-changed"));
    });
    label();
    return node;
}

const brandNode = () =>
    h(
        "a",
        { class: "brand", href: "#/overview" },
        h("img", { src: "brand/logo.svg", alt: "", width: 28, height: 28 }),
        h("span", null, brand.name),
    );

function navigation(current, close) {
    return h(
        "nav",
        { "aria-label": "Pages" },
        h(
            "ul",
            null,
            PAGES.map(([name, title]) =>
                h(
                    "li",
                    null,
                    h(
                        "a",
                        { href: `#/${name}`, "aria-current": name === current ? "page" : undefined, onclick: close },
                        icon(name),
                        h("span", null, title),
                    ),
                ),
            ),
        ),
    );
}

function links() {
    const list = brand.links.map(([text, url]) => h("a", { href: url, rel: "noopener" }, text));
    list.push(h("a", { href: brand.terms_url || "#/terms", rel: "noopener" }, "Terms"));
    if (brand.privacy_url) list.push(h("a", { href: brand.privacy_url, rel: "noopener" }, "Privacy"));
    if (brand.support_email) list.push(h("a", { href: `mailto:${brand.support_email}` }, "Help"));
    return h("div", { class: "foot-links" }, list);
}

function frame(current, title) {
    const who = app.session.account;
    const main = h(
        "main",
        { id: "main" },
        h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, title), h("div", { class: "actions" })),
    );
    const out = () => button("Sign out", () => signOut(false), { kind: "ghost small" });
    const menu = button(
        "",
        () => {
            dialog("Menu", (close) =>
                h(
                    "div",
                    { class: "drawer-nav" },
                    navigation(current, close),
                    h("div", { class: "who" }, h("span", { class: "break" }, who.email), out()),
                ),
            );
        },
        { kind: "ghost icon-only", iconName: "menu", label: "Menu" },
    );
    fill(
        holder,
        h(
            "div",
            { class: "shell" },
            h("header", { class: "topbar" }, menu, brandNode(), themeButton()),
            h(
                "aside",
                { class: "sidebar" },
                h("div", { class: "side-head" }, brandNode(), themeButton()),
                navigation(current),
                h(
                    "div",
                    { class: "who" },
                    h("span", { class: "who-name break" }, who.name || who.email),
                    who.name && h("span", { class: "muted small break" }, who.email),
                    out(),
                ),
            ),
            h("div", { class: "content" }, main, h("footer", null, links())),
        ),
    );
    return main;
}

// --- Addresses --------------------------------------------------------------------------------------

// Draws the page that the address names. A page gets `page`: signal (aborted when it is left), params, root, actions, timer.
function draw() {
    const token = readToken();
    if (token && app.session && token.kind !== "invite") return askOther(token);
    if (!app.session) return show(gate(app, token));
    if (token) {
        invitation.keep(token.token);
        acceptInvitation();
    }
    const bought = /^#credit=(paid|cancelled)$/.exec(location.hash);
    if (bought) history.replaceState(null, "", "#/billing");
    if (bought?.[1] === "paid") say("Thank you. The credit appears as soon as the payment is confirmed.");
    if (location.hash === "#/terms") return show(termsView(h("a", { href: "#/overview" }, "Back to the dashboard")));
    const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
    const [name, title, render] = PAGES.find(([n]) => n === path) ?? PAGES[0];
    app.page?.abort();
    const controller = (app.page = new AbortController());
    const main = frame(name, title);
    const page = {
        app,
        signal: controller.signal,
        params: new URLSearchParams(query ?? ""),
        root: main,
        actions: main.querySelector(".page-head .actions"),
        every(seconds, action) {
            const timer = setInterval(() => {
                if (!document.hidden) action();
            }, seconds * 1000);
            controller.signal.addEventListener("abort", () => clearInterval(timer));
        },
    };
    document.title = `${title} · ${brand.name}`;
    if (!app.first) {
        window.scrollTo(0, 0);
        main.querySelector("h1").focus({ preventScroll: true });
    }
    app.first = false;
    render(page);
}

// A link of a mail was opened while somebody is signed in: it may belong to somebody else.
function askOther(token) {
    const goOn = async () => {
        await post("auth/logout", {});
        forget();
        show(gate(app, token));
    };
    show(otherView(app.session.account.email, goOn, () => go("#/overview")));
}

document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    const main = document.getElementById("main");
    main?.setAttribute("tabindex", "-1");
    main?.focus();
});
window.addEventListener("hashchange", () => {
    document.querySelectorAll("dialog[open]").forEach((d) => d.close());
    draw();
});
window.addEventListener("session-ended", () => {
    if (!app.session) return;
    forget();
    app.notice = "Your session has ended. Please sign in again.";
    draw();
});

async function start() {
    try {
        app.session = await openSession();
    } catch (problem) {
        if (problem.status !== 401)
            return fill(
                holder,
                h("main", { id: "main", class: "gate-main" }, h("h1", { class: "sr" }, brand.name), errorState(problem, start)),
            );
    }
    if (!app.session) return draw();
    const token = /^#(verify|reset)=/.test(location.hash);
    draw();
    if (!token) acceptInvitation();
}

start();
