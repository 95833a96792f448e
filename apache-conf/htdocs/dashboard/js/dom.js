// SPDX-License-Identifier: Apache-2.0
// Building blocks of the page. Text gets into the page as text nodes only; addresses are checked before they become links.

let serial = 0;
export const newId = (prefix = "x") => `${prefix}-${++serial}`;

const ADDRESSES = new Set(["href", "src", "poster"]);

// Only what may be followed: the page's own places, http(s) and mailto. Anything else is null.
export function safeUrl(text) {
    try {
        const url = new URL(String(text), document.baseURI);
        return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
    } catch {
        return null;
    }
}

function setProperty(node, name, value) {
    if (value === undefined || value === null || value === false) return;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(node.dataset, value);
    else if (name === "value") node.value = value;
    else if (ADDRESSES.has(name)) {
        const url = String(value).startsWith("#") ? value : safeUrl(value);
        if (url !== null) node.setAttribute(name, url);
    } else node.setAttribute(name, value === true ? "" : String(value));
}

export function append(node, ...kids) {
    for (const kid of kids.flat(Infinity)) {
        if (kid === undefined || kid === null || kid === false) continue;
        node.append(kid instanceof Node ? kid : document.createTextNode(String(kid)));
    }
    return node;
}

// h("p", {class: "x"}, "text", node)
export function h(tag, properties, ...kids) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties ?? {})) setProperty(node, name, value);
    return append(node, ...kids);
}

export function fill(node, ...kids) {
    node.replaceChildren();
    return append(node, ...kids);
}

const PATHS = {
    overview: "M3 12 12 4l9 8M5 10.5V20h5v-6h4v6h5v-9.5",
    usage: "M4 20V10M10 20V4M16 20v-7M21 20H3",
    playground: "M4 5h16v11H9l-5 4V5ZM8 9h8M8 12h5",
    keys: "M14 10a4 4 0 1 1-1.2-2.8A4 4 0 0 1 14 10Zm-.2 1.2L21 18v3h-3v-2h-2v-2h-2l-1.5-1.5",
    team: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20a6.5 6.5 0 0 1 13 0M16 4.5a3.5 3.5 0 0 1 0 6.5M18 14a6 6 0 0 1 3.5 6",
    jobs: "M4 5h16v14H4zM4 15l4.5-4 3.5 3 3-2.5 5 4M15.5 9.5h.01",
    webhooks: "M4 12h11m-4-4 4 4-4 4M19 4v16",
    billing: "M3 6h18v12H3zM3 10h18M7 15h3",
    account: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20.5a7.5 7.5 0 0 1 15 0",
    menu: "M4 7h16M4 12h16M4 17h16",
    close: "M6 6l12 12M18 6 6 18",
    copy: "M9 9h11v11H9zM5 15H4V4h11v1",
    plus: "M12 5v14M5 12h14",
    sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M5.6 18.4l1.1-1.1M17.3 6.7l1.1-1.1",
    moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z",
    auto: "M12 4a8 8 0 1 0 0 16ZM12 4a8 8 0 0 1 0 16",
    refresh: "M20 11a8 8 0 1 0-2.3 6M20 5v6h-6",
    external: "M13 5h6v6M19 5l-8 8M17 14v5H5V7h5",
    alert: "M12 8v5M12 16.5v.01M12 3 2.5 20h19L12 3Z",
    empty: "M4 13l3-8h10l3 8v6H4v-6Zm0 0h5l1.5 2.5h3L15 13h5",
    stop: "M7 7h10v10H7z",
    send: "M4 12 20 4l-5 16-3.5-6.5L4 12Z",
    more: "M5 12h.01M12 12h.01M19 12h.01",
    check: "M5 12.5l4.5 4.5L19 7.5",
};

export function icon(name, size = 18) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    for (const [k, v] of Object.entries({
        viewBox: "0 0 24 24",
        width: size,
        height: size,
        "aria-hidden": "true",
        class: `icon icon-${name}`,
    }))
        svg.setAttribute(k, v);
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", PATHS[name]);
    svg.append(path);
    return svg;
}

// --- Messages ---------------------------------------------------------------------------------------

function toast(holder, className, text) {
    const node = h(
        "div",
        { class: `toast ${className}` },
        icon(className === "bad" ? "alert" : "check"),
        h("span", null, text),
        h(
            "button",
            { type: "button", class: "ghost small icon-only", "aria-label": "Dismiss", onclick: () => node.remove() },
            icon("close", 14),
        ),
    );
    // inside an open dialog the rest of the page is inert and hidden below it
    const dialogs = document.querySelectorAll("dialog[open]");
    const top = dialogs[dialogs.length - 1];
    const place = top?.querySelector(holder === "said" ? ".dialog-said" : ".dialog-alarmed") ?? document.getElementById(holder);
    place.append(node);
    setTimeout(() => node.remove(), className === "bad" ? 12000 : 6000);
}

export const say = (text) => toast("said", "good", text);
export const alarm = (problem) => {
    if (problem?.name !== "AbortError") toast("alarmed", "bad", problem instanceof Error ? problem.message : String(problem));
};

// --- Buttons ----------------------------------------------------------------------------------------

// A button whose action may fail: busy while it runs, the error is shown.
export function button(text, action, { kind = "", iconName, label, ...rest } = {}) {
    const node = h(
        "button",
        { type: "button", class: kind, "aria-label": label, ...rest },
        iconName && icon(iconName, 16),
        text && h("span", null, text),
    );
    node.addEventListener("click", (event) => busy(node, () => action(event)));
    return node;
}

export async function busy(node, action) {
    if (node.getAttribute("aria-busy") === "true") return;
    node.setAttribute("aria-busy", "true");
    try {
        await action();
    } catch (problem) {
        alarm(problem);
    } finally {
        node.removeAttribute("aria-busy");
    }
}

export function copyButton(text, label = "Copy") {
    return button(
        label,
        async () => {
            try {
                await navigator.clipboard.writeText(text());
            } catch {
                throw new Error("The browser did not let the page copy. Select the text and copy it by hand.");
            }
            say("Copied");
        },
        { iconName: "copy", kind: "small" },
    );
}

// "⋯": a list of actions that opens beside its button. items: [text, action, kind]
export function menuButton(label, items) {
    const list = h("div", { class: "menu", popover: "auto", id: newId("menu") });
    const opener = h(
        "button",
        { type: "button", class: "small icon-only", "aria-label": label, "aria-expanded": "false", popovertarget: list.id },
        icon("more", 16),
    );
    for (const [text, action, kind] of items.filter(Boolean)) {
        append(
            list,
            button(
                text,
                () => {
                    list.hidePopover();
                    return action();
                },
                { kind: `ghost ${kind ?? ""}` },
            ),
        );
    }
    list.addEventListener("toggle", (event) => {
        const open = event.newState === "open";
        opener.setAttribute("aria-expanded", String(open));
        if (!open) return;
        const at = opener.getBoundingClientRect();
        const below = at.bottom + list.offsetHeight + 8 < innerHeight;
        list.style.top = `${below ? at.bottom + 4 : Math.max(4, at.top - list.offsetHeight - 4)}px`;
        list.style.left = `${Math.max(8, Math.min(at.right - list.offsetWidth, innerWidth - list.offsetWidth - 8))}px`;
        list.querySelector("button").focus();
    });
    return h("div", { class: "menu-holder" }, opener, list);
}

export const badge = (text, tone = "") => h("span", { class: `badge ${tone}` }, text);

// --- Forms ------------------------------------------------------------------------------------------

// field("Name", h("input", ...), {hint}): label, hint and the place of an error, tied together.
export function field(label, control, { hint, optional } = {}) {
    const id = control.id || newId("f");
    control.id = id;
    const error = h("p", { class: "field-error", id: `${id}-error`, hidden: true });
    control.setAttribute("aria-describedby", [hint && `${id}-hint`, `${id}-error`].filter(Boolean).join(" "));
    return h(
        "div",
        { class: "field" },
        h("label", { for: id }, label, optional && h("span", { class: "muted" }, " (optional)")),
        control,
        hint && h("p", { class: "hint", id: `${id}-hint` }, hint),
        error,
    );
}

function showFieldError(control, text) {
    const error = document.getElementById(`${control.id}-error`);
    control.setAttribute("aria-invalid", "true");
    if (error) {
        error.textContent = text;
        error.hidden = false;
    }
    control.focus();
}

export class FieldError extends Error {
    constructor(name, message) {
        super(message);
        this.field = name;
    }
}

// A form: `submit(values)` gets trimmed texts by name; an error with a `param` or `field` of that name is shown beside it.
export function form({ submit, action, kind = "primary", cancel }, ...kids) {
    const problem = h("div", { class: "form-error", role: "alert" });
    const go = h("button", { type: "submit", class: kind }, h("span", null, action));
    const node = h(
        "form",
        { novalidate: true, class: "form" },
        ...kids,
        problem,
        h("div", { class: "form-actions" }, cancel && h("button", { type: "button", onclick: cancel }, "Cancel"), go),
    );
    const fail = (error) => {
        if (error.name === "AbortError") return;
        const control = node.elements[error.field ?? error.param ?? ""];
        if (control instanceof HTMLElement) showFieldError(control, error.message);
        else problem.textContent = error.message;
    };
    node.addEventListener("submit", async (event) => {
        event.preventDefault();
        if (go.getAttribute("aria-busy") === "true") return;
        problem.textContent = "";
        for (const control of node.querySelectorAll("[aria-invalid]")) {
            control.removeAttribute("aria-invalid");
            const error = document.getElementById(`${control.id}-error`);
            if (error) error.hidden = true;
        }
        const wrong = [...node.elements].find((c) => c.willValidate && !c.validity.valid);
        if (wrong) return showFieldError(wrong, wrong.validationMessage);
        const values = {};
        for (const [name, value] of new FormData(node)) values[name] = name.includes("password") ? value : value.trim();
        go.setAttribute("aria-busy", "true");
        try {
            await submit(values, node);
        } catch (error) {
            fail(error);
        } finally {
            go.removeAttribute("aria-busy");
        }
    });
    return node;
}

export function select(name, options, chosen, more = {}) {
    const node = h(
        "select",
        { name, ...more },
        options.map(([value, text]) => h("option", { value, selected: String(value) === String(chosen ?? "") }, text)),
    );
    return node;
}

// --- Dialogs ----------------------------------------------------------------------------------------

// Opens a modal dialog; the browser keeps the focus inside and gives it back. `build(close)` makes its content.
export function dialog(title, build, { wide = false, onclose, sticky = false } = {}) {
    const id = newId("dialog");
    const opener = document.activeElement;
    const node = h("dialog", { "aria-labelledby": id, class: wide ? "wide" : "" });
    const close = () => node.close();
    append(
        node,
        h(
            "div",
            { class: "dialog-head" },
            h("h2", { id, tabindex: "-1" }, title),
            h("button", { type: "button", class: "ghost icon-only", "aria-label": "Close", onclick: close }, icon("close")),
        ),
        h("div", { class: "dialog-body" }, build(close)),
        h(
            "div",
            { class: "toasts" },
            h("div", { class: "dialog-said", role: "status" }),
            h("div", { class: "dialog-alarmed", role: "alert" }),
        ),
    );
    node.addEventListener("close", () => {
        // what was said last is still to be read
        document.getElementById("said").append(...node.querySelector(".dialog-said").childNodes);
        document.getElementById("alarmed").append(...node.querySelector(".dialog-alarmed").childNodes);
        node.remove();
        if (opener?.isConnected) opener.focus();
        onclose?.();
    });
    // what is shown once must not vanish by a slip
    if (sticky) node.addEventListener("cancel", (event) => event.preventDefault());
    else
        node.addEventListener("click", (event) => {
            if (event.target === node) close();
        });
    document.body.append(node);
    node.showModal();
    (
        node.querySelector("[autofocus]") ??
        node.querySelector(".dialog-body :is(input, select, textarea):not([type=hidden])") ??
        node.querySelector("h2")
    ).focus();
    return node;
}

// Asks before something that cannot be taken back; `action` runs on yes.
export function confirmDialog(title, text, actionText, action, { kind = "danger" } = {}) {
    dialog(title, (close) =>
        form(
            {
                action: actionText,
                kind,
                cancel: close,
                submit: async () => {
                    await action();
                    close();
                },
            },
            h("p", null, text),
        ),
    );
}

export const skeleton = () =>
    h("div", { class: "skeleton", role: "status" }, h("span", { class: "sr" }, "Loading"), h("i"), h("i"), h("i"));

// --- Panels -----------------------------------------------------------------------------------------

export function emptyState(text, action) {
    return h("div", { class: "empty" }, icon("empty", 28), h("p", null, text), action);
}

export function errorState(problem, retry) {
    return h(
        "div",
        { class: "empty error", role: "alert" },
        icon("alert", 28),
        h("p", null, problem.message),
        problem.requestId && h("p", { class: "muted small mono" }, problem.requestId),
        retry && button("Try again", retry, { kind: "small" }),
    );
}

const inUse = () => document.querySelector("dialog[open], .menu:popover-open") !== null;
const nameOf = (node) => node.getAttribute("aria-label") ?? node.textContent;

// Puts new content in, and the focus back onto what has the same name there.
function refill(body, nodes) {
    const held = body.contains(document.activeElement) ? nameOf(document.activeElement) : null;
    fill(body, nodes);
    if (held === null) return;
    const same = [...body.querySelectorAll("a, button, input, select, summary")].find((node) => nameOf(node) === held);
    same?.focus({ preventScroll: true });
}

// A card that loads: skeleton, error with "Try again", empty, content. `load(signal)` gets the data, `view(data)` the nodes.
// reload(true) leaves the old content until the new one is there; poll() changes only what has changed, and not under one's hands.
export function panel({ title, hint, actions, load, view, empty, isEmpty, page, className = "", level = "h2" }) {
    const body = h("div", { class: "panel-body" });
    const head =
        title &&
        h(
            "div",
            { class: "panel-head" },
            h("div", null, h(level, null, title), hint && h("p", { class: "hint" }, hint)),
            actions && h("div", { class: "actions" }, actions),
        );
    const node = h("section", { class: `card ${className}`, "aria-label": title }, head, body);
    let turn = 0,
        seen = null;
    const draw = (data) => {
        const none = isEmpty ? isEmpty(data) : data?.data?.length === 0;
        refill(body, none && empty ? (empty instanceof Function ? empty(data) : emptyState(empty)) : view(data));
    };
    const reload = async (quiet = false, poll = false) => {
        const mine = ++turn;
        const over = () => mine !== turn || page.signal.aborted;
        if (!quiet) fill(body, skeleton());
        if (!poll) body.setAttribute("aria-busy", "true");
        try {
            const data = await load(page.signal);
            const text = JSON.stringify(data);
            if (over() || (poll && (text === seen || inUse()))) return;
            seen = text;
            draw(data);
        } catch (problem) {
            if (problem.name === "AbortError" || over()) return;
            if (!(problem.status >= 0)) console.error(problem);
            seen = null;
            if (!poll)
                refill(
                    body,
                    errorState(problem, () => reload()),
                );
        } finally {
            if (mine === turn) body.removeAttribute("aria-busy");
        }
    };
    reload();
    return { node, body, reload, poll: () => (inUse() ? undefined : reload(true, true)) };
}

// A panel over a list that comes page by page. `ask(after)` gets a page, `draw(rows)` its node. `rows` is what has been loaded.
export function pagedPanel({ ask, draw, none, moreText = "Load more", ...rest }) {
    const holder = h("div");
    const list = { rows: [], next: null, holder };
    const take = (answer) => {
        list.rows.push(...answer.data);
        list.next = answer.has_more ? answer.next : null;
        list.draw();
        return holder;
    };
    const more = button(moreText, async () => take(await ask(list.next)));
    list.draw = () =>
        fill(holder, list.rows.length ? draw(list.rows) : emptyState(none ?? ""), list.next && h("div", { class: "more" }, more));
    const view = (answer) => {
        list.rows = [];
        return take(answer);
    };
    return Object.assign(list, panel({ ...rest, load: () => ask(), isEmpty: (a) => a.data.length === 0 && !a.has_more, view }));
}

// columns: [{title, cell(row), num, key}]. On a phone each row becomes a small card, so the roles are said explicitly.
export function table(columns, rows, { label, onrow, plain = false } = {}) {
    const bodyRows = rows.map((row) => tableRow(columns, row, onrow));
    return h(
        "div",
        { class: "table-wrap" },
        h(
            "table",
            { class: plain ? "table plain" : "table", role: "table", "aria-label": label },
            h(
                "thead",
                { role: "rowgroup" },
                h(
                    "tr",
                    { role: "row" },
                    columns.map((c) =>
                        h(
                            "th",
                            {
                                role: "columnheader",
                                scope: "col",
                                class: [c.num && "num", c.class?.includes("roomy") && "roomy"].filter(Boolean).join(" "),
                            },
                            c.sr ? h("span", { class: "sr" }, c.title) : c.title,
                        ),
                    ),
                ),
            ),
            h("tbody", { role: "rowgroup" }, bodyRows),
        ),
    );
}

// One node, so that on a phone the cell has two columns: its title and this.
const cellContent = (content) =>
    content === false || content === null || content === undefined ? null : content instanceof Node ? content : h("div", null, content);

export function tableRow(columns, row, onrow) {
    const tr = h(
        "tr",
        { role: "row", class: onrow ? "clickable" : "" },
        columns.map((c) =>
            h(
                "td",
                {
                    role: "cell",
                    class: [c.num && "num", c.sr && "row-actions", c.class].filter(Boolean).join(" "),
                    dataset: c.sr ? {} : { label: c.title },
                },
                cellContent(c.cell(row)),
            ),
        ),
    );
    if (onrow)
        tr.addEventListener("click", (event) => {
            if (!event.target.closest("a, button, input, select") && !String(getSelection())) onrow(row);
        });
    return tr;
}

// Spent (and held) against a cap.
export function meter(label, value, max, text, tone) {
    const share = max > 0 ? Math.min(1, value / max) : 0;
    const bar = h("i");
    bar.style.width = `${(share * 100).toFixed(2)}%`;
    return h(
        "div",
        {
            class: `meter ${tone ?? (share >= 1 ? "full" : share >= 0.8 ? "high" : "")}`,
            role: "meter",
            "aria-label": label,
            "aria-valuemin": "0",
            "aria-valuemax": "100",
            "aria-valuenow": (share * 100).toFixed(0),
            "aria-valuetext": text,
        },
        bar,
    );
}
