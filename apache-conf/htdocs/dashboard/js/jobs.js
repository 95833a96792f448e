// SPDX-License-Identifier: Apache-2.0
// Media jobs with what they made.
import { get } from "./api.js";
import { append, copyButton, emptyState, fill, h, icon, pagedPanel, safeUrl, select } from "./dom.js";
import { money, parseTime, status, when } from "./format.js";

const STATES = [
    ["", "Any state"],
    ["open", "under way"],
    ["waiting", "waiting"],
    ["queuing", "queuing"],
    ["generating", "generating"],
    ["success", "success"],
    ["fail", "fail"],
];
const OPEN = new Set(["waiting", "queuing", "generating"]);
const LIVE_S = 8;
const PAGE_ROWS = 24;

const kindOf = (url) => {
    const path = new URL(url).pathname.toLowerCase();
    if (/\.(mp4|webm|mov|m4v)$/.test(path)) return "video";
    if (/\.(mp3|wav|ogg|m4a|flac|aac)$/.test(path)) return "audio";
    if (/\.(png|jpe?g|webp|gif|avif|svg)$/.test(path)) return "image";
    return null;
};

// Only what comes over TLS is shown in the page (the policy allows nothing else); everything has a link.
function result(url, number, title) {
    const safe = safeUrl(url);
    if (safe === null) return h("li", { class: "muted break" }, String(url));
    const kind = safe.startsWith("https:") ? kindOf(safe) : null;
    const name = `Result ${number} of ${title}`;
    let view = null;
    if (kind === "image") view = h("img", { src: safe, alt: name, loading: "lazy", referrerpolicy: "no-referrer" });
    if (kind === "video") view = h("video", { src: safe, controls: true, preload: "metadata", "aria-label": name });
    if (kind === "audio") view = h("audio", { src: safe, controls: true, preload: "none", "aria-label": name });
    const node = h(
        "li",
        null,
        view && h("div", { class: `preview ${kind}` }, view),
        h(
            "div",
            { class: "result-links" },
            h(
                "a",
                { href: safe, target: "_blank", rel: "noopener noreferrer", "aria-label": `Open ${name.toLowerCase()}` },
                "Open",
                icon("external", 14),
            ),
            copyButton(() => safe, "Copy link"),
        ),
    );
    view?.addEventListener("error", () =>
        fill(node.querySelector(".preview"), h("p", { class: "muted" }, "No preview: the file may have expired.")),
    );
    return node;
}

function duration(job) {
    const a = parseTime(job.createTime),
        b = parseTime(job.completeTime);
    return a && b ? `${Math.max(0, Math.round((b - a) / 1000))} s` : null;
}

function card(job) {
    const urls = job.resultUrls ?? [];
    return h(
        "article",
        { class: "job", "aria-label": `${job.model}, ${job.state}` },
        h(
            "div",
            { class: "job-head" },
            h(
                "div",
                null,
                h("h2", { class: "break" }, job.model),
                h("p", { class: "muted small" }, when(job.createTime), duration(job) && ` · took ${duration(job)}`),
            ),
            h(
                "div",
                { class: "job-state" },
                status(job.state),
                h("b", null, job.charge_usd === null || job.charge_usd === undefined ? "" : money(job.charge_usd)),
            ),
        ),
        urls.length > 0 &&
            h(
                "ul",
                { class: "results" },
                urls.map((u, k) => result(u, k + 1, job.model)),
            ),
        job.failMsg && h("p", { class: "job-fail break" }, icon("alert", 16), job.failMsg),
        OPEN.has(job.state) && h("p", { class: "muted small" }, "Under way; the page looks again by itself."),
        h("p", { class: "small muted break mono" }, job.taskId),
    );
}

export function jobs(page) {
    let state = "";
    const choose = (event) => {
        state = event.target.value;
        list.reload();
    };
    const list = pagedPanel({
        page,
        ask: (after) => get("jobs", { state, limit: PAGE_ROWS, after }, { signal: page.signal }),
        draw: (rows) => h("div", { class: "jobs" }, rows.map(card)),
        empty: () =>
            emptyState(
                state ? "No job in this state." : "Images, videos and music that you order with POST /v1/jobs/createTask appear here.",
            ),
    });
    append(page.actions, select("state", STATES, "", { "aria-label": "State", onchange: choose }));
    append(page.root, list.node);
    // a video that plays is not taken away: only while a job is open
    page.every(LIVE_S, () => {
        const rows = list.rows;
        if (rows.length <= PAGE_ROWS && (!rows.length || rows.some((j) => OPEN.has(j.state)))) list.poll();
    });
}
