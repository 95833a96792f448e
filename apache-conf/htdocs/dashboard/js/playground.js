// SPDX-License-Identifier: Apache-2.0
// A chat with a streamed answer and what it cost. The key stays in this page's memory and is never stored.
import { get, streamChat } from "./api.js";
import { append, badge, button, emptyState, field, fill, h, icon, newId, select } from "./dom.js";
import { count } from "./format.js";
import { sum, usd, isZero } from "./decimal.js";
import { showCharge } from "./usage.js";

const KEY_SHAPE = /^sk-aig-\S{8,200}$/;

function price(model) {
    const p = model?.pricing;
    return p?.input ? `${usd(p.input)} in, ${usd(p.output)} out per million tokens` : "";
}

export function playground(page) {
    const state = { key: page.app.memoryKey ?? "", models: [], messages: [], costs: [], stop: null };
    const log = h("div", { class: "chat-log", role: "log", "aria-label": "Conversation", tabindex: "0" });
    const nothing = () => fill(log, emptyState("Ask something. The answer streams in, and its exact cost stands below it."));
    const keyInput = h("input", {
        type: "password",
        name: "key",
        autocomplete: "off",
        spellcheck: "false",
        placeholder: "sk-aig-…",
        value: state.key,
        maxlength: 220,
    });
    const model = select("model", [["gpt-4o-mini", "gpt-4o-mini"]], "gpt-4o-mini");
    const system = h("textarea", { name: "system", rows: 2, maxlength: 20000 });
    const limit = h("input", { name: "limit", inputmode: "numeric", placeholder: "the model's", maxlength: 7, autocomplete: "off" });
    const priceNote = h("p", { class: "hint" });
    const total = h("p", { class: "chat-total", "aria-live": "polite" });
    const prompt = h("textarea", {
        name: "prompt",
        rows: 3,
        required: true,
        "aria-label": "Message",
        placeholder: "Message",
        maxlength: 200000,
    });
    const problem = h("div", { class: "form-error", role: "alert" });
    const go = h("button", { type: "submit", class: "primary" }, icon("send", 16), h("span", null, "Send"));
    const stop = button("Stop", () => state.stop?.abort(), { iconName: "stop", hidden: true });

    const showPrice = () => {
        priceNote.textContent = price(state.models.find((m) => m.id === model.value));
    };
    const loadModels = async () => {
        state.key = keyInput.value.trim();
        if (!KEY_SHAPE.test(state.key)) return;
        page.app.memoryKey = state.key;
        try {
            const list = await get("models", null, { key: state.key, signal: page.signal });
            const before = model.value;
            state.models = list.data.filter((m) => !m.kind || m.kind === "chat");
            fill(
                model,
                state.models.map((m) => h("option", { value: m.id, selected: m.id === before }, m.id)),
            );
            problem.textContent = "";
            showPrice();
        } catch (error) {
            if (error.name !== "AbortError") problem.textContent = error.message;
        }
    };
    keyInput.addEventListener("change", loadModels);
    model.addEventListener("change", showPrice);

    const chat = h(
        "form",
        { class: "chat-form", novalidate: true },
        prompt,
        problem,
        h(
            "div",
            { class: "form-actions" },
            button(
                "Clear",
                () => {
                    state.stop?.abort();
                    state.messages = [];
                    state.costs = [];
                    total.textContent = "";
                    nothing();
                    prompt.focus();
                },
                { kind: "ghost" },
            ),
            stop,
            go,
        ),
    );
    prompt.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            chat.requestSubmit();
        }
    });
    chat.addEventListener("submit", (event) => {
        event.preventDefault();
        send().catch((error) => {
            problem.textContent = error.message;
        });
    });

    async function send() {
        const text = prompt.value.trim();
        state.key = keyInput.value.trim();
        if (state.stop || !text) return prompt.focus();
        problem.textContent = "";
        if (!KEY_SHAPE.test(state.key)) {
            problem.textContent = "Paste one of your keys first, or make one under API keys: it is filled in here.";
            return keyInput.focus();
        }
        if (limit.value && !/^[1-9]\d*$/.test(limit.value.trim())) {
            problem.textContent = "The limit is a number of tokens.";
            return limit.focus();
        }
        page.app.memoryKey = state.key;
        if (state.messages.length === 0) fill(log);
        const user = { role: "user", content: text };
        append(log, bubble("user", "You", text));
        prompt.value = "";
        await answer([...state.messages, user], user);
        prompt.focus();
    }

    async function answer(messages, user) {
        const out = bubble("assistant", model.value, "");
        const textNode = out.querySelector(".bubble-text"),
            foot = h("div", { class: "bubble-foot" }, h("span", { class: "typing", "aria-label": "writing" }, h("i"), h("i"), h("i")));
        append(out, foot);
        append(log, out);
        state.stop = new AbortController();
        page.signal.addEventListener("abort", () => state.stop?.abort());
        stop.hidden = false;
        go.setAttribute("aria-busy", "true");
        let text = "",
            use = null,
            reason = null;
        const asked = model.value;
        try {
            const sent = system.value.trim() ? [{ role: "system", content: system.value.trim() }, ...messages] : messages;
            const id = await streamChat(
                state.key,
                {
                    model: asked,
                    messages: sent,
                    stream: true,
                    stream_options: { include_usage: true },
                    max_completion_tokens: limit.value ? Number(limit.value) : undefined,
                },
                {
                    signal: state.stop.signal,
                    onEvent: (event) => {
                        const choice = event.choices?.[0];
                        const piece = choice?.delta?.content;
                        if (piece) {
                            text += piece;
                            textNode.append(document.createTextNode(piece));
                            log.scrollTop = log.scrollHeight;
                        }
                        reason = choice?.finish_reason ?? reason;
                        use = event.usage ?? use;
                    },
                },
            );
            state.messages.push(user, { role: "assistant", content: text });
            showCost(foot, use, id, reason);
        } catch (error) {
            if (error.name === "AbortError")
                fill(
                    foot,
                    badge("stopped", "warn"),
                    h("span", { class: "muted small" }, "What had been delivered is charged; the usage table has it."),
                );
            else
                fill(
                    foot,
                    h("p", { class: "form-error" }, error.message),
                    error.requestId && h("code", { class: "small muted" }, error.requestId),
                );
        } finally {
            state.stop = null;
            stop.hidden = true;
            go.removeAttribute("aria-busy");
            log.scrollTop = log.scrollHeight;
        }
    }

    function showCost(foot, use, id, reason) {
        const cost = use?.cost;
        if (cost !== undefined && cost !== null) state.costs.push(cost);
        fill(
            foot,
            cost !== undefined && cost !== null && h("b", { class: "cost" }, usd(cost)),
            use && h("span", { class: "muted small" }, `${count(use.prompt_tokens)} in, ${count(use.completion_tokens)} out`),
            reason === "length" && badge("cut at the limit", "warn"),
            id &&
                h(
                    "button",
                    { type: "button", class: "link small", "aria-haspopup": "dialog", onclick: () => showCharge(id) },
                    "The arithmetic",
                ),
        );
        const all = sum(state.costs);
        if (!isZero(all)) total.textContent = `This conversation: ${usd(all)}`;
    }

    nothing();
    append(
        page.root,
        h(
            "div",
            { class: "playground" },
            h("section", { class: "card chat", "aria-label": "Chat" }, log, total, chat),
            h(
                "section",
                { class: "card settings", "aria-label": "Settings" },
                h("h2", null, "Settings"),
                field("API key", keyInput, { hint: "Kept in this page's memory only, until you leave or reload it." }),
                field("Model", model),
                priceNote,
                field("Most output tokens", limit, { optional: true }),
                field("System prompt", system, { optional: true }),
            ),
        ),
    );
    loadModels();
}

function bubble(kind, who, text) {
    const id = newId("said");
    return h(
        "article",
        { class: `bubble ${kind}`, "aria-labelledby": id },
        h("p", { id, class: "bubble-who" }, who),
        h("div", { class: "bubble-text" }, text),
    );
}
