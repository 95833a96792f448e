// SPDX-License-Identifier: Apache-2.0
// The only module that talks to the server: JSON with exact numbers, the session's CSRF token, errors, streams.

const root = new URL("../api/v1/", document.baseURI);
export const baseUrl = root.href.replace(/\/$/, "");

let csrf = null;
export function useCsrf(token) {
    csrf = token;
}

export class ApiError extends Error {
    constructor(status, error, requestId) {
        super(
            error?.message ||
                (status ? `The server answered ${status}.` : "The server cannot be reached. Check your connection and try again."),
        );
        this.status = status;
        this.code = error?.code ?? null;
        this.param = error?.param ?? null;
        this.requestId = requestId ?? null;
    }
}

// A number for the API whose digits must not change.
export class Exact {
    constructor(text) {
        this.text = text;
    }
}

// Every number becomes text, so that no digit is lost.
export function parseExact(text) {
    return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g, (t) => (t[0] === '"' ? t : `"${t}"`)));
}

export function encodeExact(value) {
    if (value instanceof Exact) return value.text;
    if (Array.isArray(value)) return `[${value.map(encodeExact).join(",")}]`;
    if (value && typeof value === "object") {
        return `{${Object.entries(value)
            .filter(([, v]) => v !== undefined)
            .map(([k, v]) => `${JSON.stringify(k)}:${encodeExact(v)}`)
            .join(",")}}`;
    }
    return JSON.stringify(value);
}

function address(path, query) {
    const url = new URL(path, root);
    for (const [name, value] of Object.entries(query ?? {})) {
        if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
    }
    return url;
}

async function failure(answer) {
    let error = null;
    try {
        error = parseExact(await answer.text()).error;
    } catch {
        /* not ours: a web server's own page */
    }
    return new ApiError(answer.status, error, answer.headers.get("x-request-id"));
}

async function send(method, path, { body, query, signal, key } = {}) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (key) headers.Authorization = `Bearer ${key}`;
    else if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
    try {
        return await fetch(address(path, query), {
            method,
            headers,
            signal,
            cache: "no-store",
            redirect: "error",
            credentials: key ? "omit" : "same-origin",
            body: body === undefined ? undefined : encodeExact(body),
        });
    } catch (problem) {
        if (problem.name === "AbortError") throw problem;
        throw new ApiError(0);
    }
}

// One call. `anonymous`: a 401 is an answer to show, not the end of the session.
export async function call(method, path, options = {}) {
    let answer = await send(method, path, options);
    if (!answer.ok) {
        let problem = await failure(answer);
        if (problem.code === "csrf_failed" && !options.key) {
            // another window has signed in anew: take its token, once
            const session = await send("GET", "auth/session");
            if (session.ok) {
                useCsrf(parseExact(await session.text()).csrf_token);
                answer = await send(method, path, options);
                if (!answer.ok) problem = await failure(answer);
            }
        }
        if (!answer.ok) {
            if (problem.status === 401 && !options.anonymous && !options.key) window.dispatchEvent(new CustomEvent("session-ended"));
            throw problem;
        }
    }
    const text = await answer.text();
    try {
        return text ? parseExact(text) : null;
    } catch {
        throw new ApiError(answer.status, { message: "The server's answer cannot be read." });
    }
}

export const get = (path, query, options) => call("GET", path, { ...options, query });
export const post = (path, body, options) => call("POST", path, { ...options, body });
export const patch = (path, body, options) => call("PATCH", path, { ...options, body });
export const remove = (path, options) => call("DELETE", path, options);

export const part = (id) => encodeURIComponent(String(id));
export const link = (path, query) => address(path, query).href;

// A streamed chat completion with a key; `onEvent` gets every event. Resolves with the request id.
export async function streamChat(key, body, { signal, onEvent }) {
    const answer = await send("POST", "chat/completions", { body, key, signal });
    if (!answer.ok) throw await failure(answer);
    const id = answer.headers.get("x-request-id");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "",
        done = false;
    for (;;) {
        const { value, done: ended } = await reader.read();
        if (ended) break;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        for (const line of lines) {
            if (!line.startsWith("data:")) continue;
            const data = line.slice(5).trim();
            if (data === "[DONE]") {
                done = true;
                continue;
            }
            const event = parseExact(data);
            if (event.error) throw new ApiError(answer.status, event.error, id);
            onEvent(event);
        }
    }
    if (!done) throw new ApiError(0, { message: "The stream broke off. It has not been charged unless the usage table says so." }, id);
    return id;
}
