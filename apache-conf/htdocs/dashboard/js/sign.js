// SPDX-License-Identifier: Apache-2.0
// Everything before there is a session: sign in, sign up, the links of the mails.
import brand from "../brand/brand.js";
import { get, post, useCsrf } from "./api.js";
import { FieldError, button, field, form, h, icon, say } from "./dom.js";
import { isZero, usd } from "./decimal.js";

const PASSWORD_MIN = 10;
const INVITE = "pending-invitation";

// The invitation outlives the way through sign-up and the mail, which may end in another tab.
export const invitation = {
    take() {
        try {
            return localStorage.getItem(INVITE);
        } catch {
            return null;
        }
    },
    keep(token) {
        try {
            localStorage.setItem(INVITE, token);
        } catch {
            /* the link of the mail can be opened again */
        }
    },
    forget() {
        try {
            localStorage.removeItem(INVITE);
        } catch {
            /* nothing was kept */
        }
    },
};

export function readToken() {
    const found = /^#(verify|reset|invite)=([\w.~%+/=-]{1,512})$/.exec(location.hash);
    if (!found) return null;
    // it must not stay in the history
    history.replaceState(null, "", location.pathname + location.search);
    return { kind: found[1], token: decodeURIComponent(found[2]) };
}

export async function openSession() {
    const session = await get("auth/session", null, { anonymous: true });
    useCsrf(session.csrf_token);
    return session;
}

const email = (value) =>
    field(
        "E-mail",
        h("input", { type: "email", name: "email", required: true, autocomplete: "username", maxlength: 254, value: value ?? "" }),
    );
const password = (label, more) =>
    field(label, h("input", { type: "password", name: "password", required: true, maxlength: 256, ...more }), {
        hint: more.minlength && `At least ${PASSWORD_MIN} characters.`,
    });
const fresh = { autocomplete: "new-password", minlength: PASSWORD_MIN };

function frame(title, lead, ...kids) {
    return h(
        "div",
        { class: "gate" },
        h(
            "div",
            { class: "gate-brand" },
            h("div", { class: "brand" }, h("img", { src: "brand/logo.svg", alt: "", width: 32, height: 32 }), h("span", null, brand.name)),
            h("p", { class: "gate-tagline" }, brand.tagline),
            h(
                "ul",
                null,
                brand.points.map((p) => h("li", null, icon("check", 18), h("span", null, p))),
            ),
        ),
        h(
            "main",
            { id: "main", class: "gate-main" },
            h("div", { class: "gate-card" }, h("h1", { tabindex: "-1" }, title), lead && h("p", { class: "lead" }, lead), ...kids),
        ),
    );
}

const to = (hash, text) => h("a", { href: hash }, text);
const below = (...kids) => h("p", { class: "gate-below" }, ...kids);

function signIn(app) {
    return frame(
        "Sign in",
        app.notice ?? (invitation.take() ? "You have been invited to a team. Sign in or sign up to accept." : null),
        form(
            {
                action: "Sign in",
                submit: async (v) => {
                    const session = await post("auth/login", { email: v.email, password: v.password }, { anonymous: true });
                    await app.signedIn(session);
                },
            },
            email(app.email),
            password("Password", { autocomplete: "current-password" }),
        ),
        below(to("#/forgot", "Forgot the password?"), " · ", to("#/sign-up", "Create an account")),
    );
}

function signUp(app) {
    return frame(
        "Create an account",
        "Confirm your address and your first $10 of credit are there.",
        form(
            {
                action: "Create account",
                submit: async (v) => {
                    if (v.password.length < PASSWORD_MIN) throw new FieldError("password", `At least ${PASSWORD_MIN} characters, please.`);
                    await post("auth/signup", { email: v.email, password: v.password, name: v.name || undefined }, { anonymous: true });
                    app.show(mailSent("Look into your inbox", v.email, "We have sent a link to confirm it. It may take a minute."));
                },
            },
            field("Name", h("input", { name: "name", autocomplete: "name", maxlength: 100 }), { optional: true }),
            email(),
            password("Password", fresh),
            h(
                "p",
                { class: "hint" },
                "By signing up you accept the ",
                brand.terms_url ? h("a", { href: brand.terms_url, rel: "noopener" }, "terms") : to("#/terms", "terms"),
                brand.privacy_url && [" and the ", h("a", { href: brand.privacy_url, rel: "noopener" }, "privacy policy")],
                ".",
            ),
        ),
        below("Already here? ", to("#/sign-in", "Sign in")),
    );
}

function forgot(app) {
    return frame(
        "Reset the password",
        "We send a link to the address of your account.",
        form(
            {
                action: "Send the link",
                submit: async (v) => {
                    await post("auth/reset", { email: v.email }, { anonymous: true });
                    app.show(
                        mailSent(
                            "Look into your inbox",
                            v.email,
                            "If there is an account with it, we have sent a link to set a new password.",
                        ),
                    );
                },
            },
            email(),
        ),
        below(to("#/sign-in", "Back to sign in")),
    );
}

function mailSent(title, address, text) {
    return frame(
        title,
        null,
        h("p", null, h("strong", { class: "break" }, address)),
        h("p", null, text),
        below("Nothing there? Look into the spam folder, or ", to("#/sign-up", "try again"), ". ", to("#/sign-in", "Sign in")),
    );
}

function verify(app, token) {
    return frame(
        "Confirm your address",
        "One click, and your account is open.",
        form({
            action: "Confirm and open my account",
            submit: async () => {
                const session = await post("auth/verify", { token }, { anonymous: true });
                const free = session.granted_usd && !isZero(session.granted_usd);
                await app.signedIn(session);
                say(free ? `Welcome! ${usd(session.granted_usd)} of credit are yours.` : "Welcome! Your address is confirmed.");
            },
        }),
        below(to("#/sign-in", "Sign in instead")),
    );
}

function reset(app, token) {
    return frame(
        "Choose a new password",
        "You will be signed out everywhere.",
        form(
            {
                action: "Set the password",
                submit: async (v) => {
                    if (v.password.length < PASSWORD_MIN) throw new FieldError("password", `At least ${PASSWORD_MIN} characters, please.`);
                    await post("auth/reset", { token, password: v.password }, { anonymous: true });
                    app.notice = "The new password is set. Sign in with it.";
                    app.go("#/sign-in");
                },
            },
            password("New password", fresh),
        ),
        below(to("#/sign-in", "Back to sign in")),
    );
}

export function termsView(back) {
    const text = brand.terms.map(([heading, paragraphs]) => [h("h2", null, heading), paragraphs.map((p) => h("p", null, p))]);
    return frame("Terms", null, h("div", { class: "prose" }, text), below(back));
}

export function otherView(email, goOn, stay) {
    return frame(
        "You are signed in",
        "This link may be about another account.",
        h("p", null, "You are signed in as ", h("strong", { class: "break" }, email), "."),
        h("div", { class: "form-actions" }, button("Stay signed in", stay), button("Sign out and use the link", goOn, { kind: "primary" })),
    );
}

// The screen for an address while nobody is signed in.
export function gate(app, token) {
    if (token?.kind === "verify") return verify(app, token.token);
    if (token?.kind === "reset") return reset(app, token.token);
    if (token?.kind === "invite") invitation.keep(token.token);
    switch (location.hash) {
        case "#/sign-up":
            return signUp(app);
        case "#/forgot":
            return forgot(app);
        case "#/terms":
            return termsView(to("#/sign-up", "Back to sign-up"));
        default:
            return signIn(app);
    }
}
