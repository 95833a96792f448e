// SPDX-License-Identifier: Apache-2.0
// API keys: made (shown once), capped, limited to models, rotated, disabled, deleted.
import { Exact, get, part, patch, post, remove } from "./api.js";
import {
    FieldError,
    append,
    badge,
    button,
    confirmDialog,
    copyButton,
    dialog,
    emptyState,
    field,
    form,
    h,
    menuButton,
    pagedPanel,
    say,
    select,
    table,
} from "./dom.js";
import { PERIODS, ago, capView, day } from "./format.js";
import { typedAmount, plain } from "./decimal.js";
import { snippets } from "./overview.js";

const PAGE_ROWS = 50;

// Fields of a cap, and what they mean for the API: null lifts it.
export function capFields(thing = {}) {
    return h(
        "div",
        { class: "pair" },
        field(
            "Cap in US dollars",
            h("input", {
                name: "cap_usd",
                inputmode: "decimal",
                value: thing.cap_usd ? plain(thing.cap_usd) : "",
                placeholder: "no cap",
                maxlength: 20,
                autocomplete: "off",
            }),
        ),
        field("Per", select("period", PERIODS, thing.period ?? "none")),
    );
}

export function capValues(values) {
    if (values.cap_usd === "") return { cap_usd: null, period: "none" };
    const amount = typedAmount(values.cap_usd);
    if (amount === null) throw new FieldError("cap_usd", "An amount such as 5 or 0.25, please.");
    return { cap_usd: new Exact(amount), period: values.period };
}

// Only what the person has changed: what stands in a form may be older than what the server has.
export function changed(before, after) {
    const text = (value) => (value instanceof Exact ? value.text : JSON.stringify(value));
    return Object.fromEntries(Object.entries(after).filter(([name, value]) => text(value) !== text(before[name])));
}

// What capValues makes of a cap as it is.
export const capOf = (thing) => capValues({ cap_usd: thing.cap_usd ?? "", period: thing.period ?? "none" });

function keyValues(values) {
    const models = values.models.split(/[\s,]+/).filter(Boolean);
    return {
        name: values.name,
        ...capValues(values),
        expires_at: values.expires ? `${values.expires}T00:00:00Z` : null,
        models: models.length ? models : null,
    };
}

// A cap of zero and no cap differ; an empty allow-list is no list.
function keyFields(key = {}, models = []) {
    const id = "known-models";
    const box = h("input", {
        name: "models",
        value: (key.models ?? []).join(", "),
        placeholder: "all models",
        autocomplete: "off",
        spellcheck: "false",
    });
    const add =
        models.length > 0 &&
        h(
            "select",
            {
                "aria-label": "Add a model to the list",
                id,
                onchange: (event) => {
                    const chosen = event.target.value;
                    if (chosen) box.value = [...new Set([...box.value.split(/[\s,]+/).filter(Boolean), chosen])].join(", ");
                    event.target.value = "";
                },
            },
            h("option", { value: "" }, "Add a model…"),
            models.map((m) => h("option", { value: m }, m)),
        );
    return [
        field(
            "Name",
            h("input", {
                name: "name",
                required: true,
                maxlength: 100,
                value: key.name ?? "",
                autocomplete: "off",
                placeholder: "laptop, production, CI …",
            }),
        ),
        capFields(key),
        field("Expires", h("input", { type: "date", name: "expires", value: key.expires_at ? key.expires_at.slice(0, 10) : "" }), {
            optional: true,
            hint: "From the beginning of that day (UTC) it does not work any more.",
        }),
        field("Models", box, { optional: true, hint: "Names, separated by commas. Empty: every model." }),
        add,
    ];
}

function shownOnce(page, key, title) {
    page.app.memoryKey = key.key;
    dialog(
        title,
        (close) =>
            h(
                "div",
                null,
                h("p", null, "This is the only time that the key is shown. Put it where you keep secrets."),
                h(
                    "div",
                    { class: "secret" },
                    h("code", { class: "break", tabindex: "0", "aria-label": "The new key" }, key.key),
                    copyButton(() => key.key),
                ),
                h("details", null, h("summary", null, "Use it"), snippets(key.key)),
                h(
                    "div",
                    { class: "form-actions" },
                    button("Try it in the playground", () => {
                        close();
                        page.app.go("#/playground");
                    }),
                    button("I have stored it", close, { kind: "primary" }),
                ),
            ),
        { wide: true, sticky: true },
    );
}

function createDialog(page, reload, models, teams) {
    dialog("New API key", (close) =>
        form(
            {
                action: "Create key",
                cancel: close,
                submit: async (v) => {
                    const key = await post("keys", { ...keyValues(v), team_id: v.team_id ? new Exact(v.team_id) : undefined });
                    close();
                    reload();
                    shownOnce(page, key, "Your new key");
                },
            },
            keyFields({}, models),
            teams.length > 0 &&
                field("Belongs to", select("team_id", [["", "Me"], ...teams.map((t) => [t.id, `Team ${t.name}`])]), {
                    hint: "Calls with a team's key are paid by the team.",
                }),
        ),
    );
}

function editDialog(key, reload, models) {
    const shown = {
        name: key.name,
        cap_usd: key.cap_usd ?? "",
        period: key.period ?? "none",
        expires: key.expires_at?.slice(0, 10) ?? "",
        models: (key.models ?? []).join(", "),
    };
    dialog(`Edit ${key.name}`, (close) =>
        form(
            {
                action: "Save",
                cancel: close,
                submit: async (v) => {
                    const values = changed(keyValues(shown), keyValues(v));
                    if (Object.keys(values).length) await patch(`keys/${part(key.id)}`, values);
                    close();
                    say("Saved");
                    reload(true);
                },
            },
            keyFields(key, models),
        ),
    );
}

// Owners and admins of a team see the keys of its members, too.
const own = (page, key) => !key.owner || key.owner.id === page.app.session.account.id;

function actions(page, key, reload, models) {
    return menuButton(`Actions for ${key.name}`, [
        ["Edit", () => editDialog(key, reload, models())],
        own(page, key) && [
            "Rotate",
            () =>
                confirmDialog(
                    `Rotate ${key.name}?`,
                    "A new key takes its place, with the same name, cap and spend. The old one stops working at once.",
                    "Rotate",
                    async () => {
                        const fresh = await post(`keys/${part(key.id)}/rotate`, {});
                        reload(true);
                        setTimeout(() => shownOnce(page, fresh, "Your new key"));
                    },
                    { kind: "primary" },
                ),
        ],
        [
            key.enabled ? "Disable" : "Enable",
            async () => {
                await patch(`keys/${part(key.id)}`, { enabled: !key.enabled });
                say(key.enabled ? `${key.name} is disabled.` : `${key.name} is enabled.`);
                reload(true);
            },
        ],
        [
            "Delete",
            () =>
                confirmDialog(
                    `Delete ${key.name}?`,
                    "It stops working at once and for good. Its calls stay in the usage table.",
                    "Delete key",
                    async () => {
                        await remove(`keys/${part(key.id)}`);
                        say(`${key.name} is deleted.`);
                        reload(true);
                    },
                ),
            "danger-text",
        ],
    ]);
}

const expired = (key) => key.expires_at && Date.parse(key.expires_at) <= Date.now();

function limits(key) {
    const models =
        key.models === null || key.models === undefined ? h("span", { class: "muted" }, "all models") : key.models.join(", ") || "no model";
    const until = key.expires_at && h("div", { class: "muted" }, expired(key) ? "expired " : "expires ", day(key.expires_at));
    return h("div", { class: "small" }, h("div", { class: "break" }, models), until);
}

const columns = (page, reload, models) => [
    {
        title: "Key",
        cell: (k) =>
            h(
                "div",
                null,
                h("div", { class: "strong break" }, k.name),
                h("code", { class: "muted small whole" }, `${k.prefix}…${k.last4}`),
            ),
    },
    {
        title: "Team",
        class: "break",
        cell: (k) => [
            k.team?.name ?? h("span", { class: "muted" }, "–"),
            !own(page, k) && h("div", { class: "muted small break" }, k.owner.email),
        ],
    },
    {
        title: "Status",
        cell: (k) => (!k.enabled ? badge("disabled", "bad") : expired(k) ? badge("expired", "warn") : badge("active", "good")),
    },
    { title: "Cap", cell: (k) => capView(k, `Spent of the cap of ${k.name}`) },
    { title: "Limits", cell: limits },
    { title: "Last used", cell: (k) => ago(k.last_used_at) },
    { title: "Actions", sr: true, cell: (k) => actions(page, k, reload, models) },
];

export function keys(page) {
    let models = [],
        teams = [];
    const create = () => createDialog(page, list.reload, models, teams);
    const list = pagedPanel({
        page,
        ask: (after) => get("keys", { limit: PAGE_ROWS, after }, { signal: page.signal }),
        draw: (rows) =>
            table(
                columns(
                    page,
                    (quiet) => list.reload(quiet),
                    () => models,
                ),
                rows,
                { label: "API keys" },
            ),
        empty: () =>
            emptyState(
                "A key lets your code call the API. Give each program its own, with a cap.",
                button("Make the first key", create, { kind: "primary", iconName: "plus" }),
            ),
    });
    // without these two the forms only lack their lists
    const known = [
        get("models", null, { signal: page.signal }).then((l) => (models = l.data.map((m) => m.id))),
        get("teams", { limit: 200 }, { signal: page.signal }).then((l) => (teams = l.data)),
    ];
    if (page.params.get("new")) Promise.allSettled(known).then(() => page.signal.aborted || create());
    else Promise.allSettled(known);
    append(page.actions, button("New key", create, { kind: "primary", iconName: "plus" }));
    append(page.root, list.node);
    page.every(20, () => list.rows.length <= PAGE_ROWS && list.poll());
}
