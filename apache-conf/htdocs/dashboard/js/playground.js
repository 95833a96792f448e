// SPDX-License-Identifier: Apache-2.0
// A chat with a streamed answer and what it cost. The key stays in this page's memory and is never stored.
import { get, streamChat } from "./api.js";
import { append, badge, button, emptyState, field, fill, h, icon, newId, select } from "./dom.js";
import { count } from "./format.js";
import { isZero, sum, usd } from "./decimal.js";
import { showCharge } from "./usage.js";

const KEY_SHAPE = /^sk-aig-\S{8,200}$/;
const FIRST_MODEL = "gpt-4o-mini";

function price(model) {
    const p = model?.pricing;
    return p?.input ? `${usd(p.input)} in, ${usd(p.output)} out per million tokens` : "";
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

class Chat {
    constructor(page) {
        this.page = page;
        this.models = [];
        this.running = null; // AbortController of the answer under way
        this.log = h("div", { class: "chat-log", role: "log", "aria-label": "Conversation", tabindex: "0" });
        this.total = h("p", { class: "chat-total", "aria-live": "polite" });
        this.problem = h("div", { class: "form-error", role: "alert" });
        this.buildSettings();
        this.buildForm();
        this.clear();
        page.signal.addEventListener("abort", () => this.running?.abort());
    }

    buildSettings() {
        this.key = h("input", {
            type: "password",
            name: "key",
            autocomplete: "off",
            spellcheck: "false",
            placeholder: "sk-aig-…",
            value: this.page.app.memoryKey ?? "",
            maxlength: 220,
            onchange: () => this.loadModels(),
        });
        this.model = select("model", [[FIRST_MODEL, FIRST_MODEL]], FIRST_MODEL, { onchange: () => this.showPrice() });
        this.price = h("p", { class: "hint" });
        this.limit = h("input", { name: "limit", inputmode: "numeric", placeholder: "the model's", maxlength: 7, autocomplete: "off" });
        this.system = h("textarea", { name: "system", rows: 2, maxlength: 20000 });
        this.settings = h(
            "form",
            { class: "card settings", "aria-label": "Settings", novalidate: true, onsubmit: (event) => event.preventDefault() },
            h("h2", null, "Settings"),
            field("API key", this.key, { hint: "Kept in this page's memory only, until you leave or reload it." }),
            field("Model", this.model),
            this.price,
            field("Most output tokens", this.limit, { optional: true }),
            field("System prompt", this.system, { optional: true }),
        );
    }

    buildForm() {
        this.prompt = h("textarea", {
            name: "prompt",
            rows: 3,
            required: true,
            "aria-label": "Message",
            placeholder: "Message",
            maxlength: 200000,
        });
        this.go = h("button", { type: "submit", class: "primary" }, icon("send", 16), h("span", null, "Send"));
        this.stop = button("Stop", () => this.running?.abort(), { iconName: "stop", hidden: true });
        const clear = button("Clear", () => this.clear(), { kind: "ghost" });
        this.form = h(
            "form",
            { class: "chat-form", novalidate: true },
            this.prompt,
            this.problem,
            h("div", { class: "form-actions" }, clear, this.stop, this.go),
        );
        this.form.addEventListener("submit", (event) => {
            event.preventDefault();
            this.send();
        });
        this.prompt.addEventListener("keydown", (event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            this.form.requestSubmit();
        });
    }

    clear() {
        this.running?.abort();
        this.messages = [];
        this.costs = [];
        this.total.textContent = "";
        fill(this.log, emptyState("Ask something. The answer streams in, and its exact cost stands below it."));
    }

    showPrice() {
        this.price.textContent = price(this.models.find((m) => m.id === this.model.value));
    }

    // The models that this key may call, at its prices.
    async loadModels() {
        const key = this.key.value.trim();
        if (!KEY_SHAPE.test(key)) return;
        this.page.app.memoryKey = key;
        try {
            const list = await get("models", null, { key, signal: this.page.signal });
            const before = this.model.value;
            this.models = list.data.filter((m) => !m.kind || m.kind === "chat");
            fill(
                this.model,
                this.models.map((m) => h("option", { value: m.id, selected: m.id === before }, m.id)),
            );
            this.problem.textContent = "";
            this.showPrice();
        } catch (error) {
            if (error.name !== "AbortError") this.problem.textContent = error.message;
        }
    }

    refuse(control, text) {
        this.problem.textContent = text;
        control.focus();
        return false;
    }

    ready() {
        this.problem.textContent = "";
        if (!KEY_SHAPE.test(this.key.value.trim()))
            return this.refuse(this.key, "Paste one of your keys first, or make one under API keys: it is filled in here.");
        if (!/^([1-9]\d*)?$/.test(this.limit.value.trim())) return this.refuse(this.limit, "The limit is a number of tokens.");
        return true;
    }

    async send() {
        const text = this.prompt.value.trim();
        if (this.running || !text || !this.ready()) return;
        if (this.messages.length === 0) fill(this.log);
        append(this.log, bubble("user", "You", text));
        this.prompt.value = "";
        await this.answer({ role: "user", content: text });
        this.prompt.focus();
    }

    request(question) {
        const system = this.system.value.trim();
        const limit = this.limit.value.trim();
        return {
            model: this.model.value,
            messages: [...(system ? [{ role: "system", content: system }] : []), ...this.messages, question],
            stream: true,
            stream_options: { include_usage: true },
            max_completion_tokens: limit ? Number(limit) : undefined,
        };
    }

    async answer(question) {
        const out = bubble("assistant", this.model.value, "");
        const place = out.querySelector(".bubble-text");
        const foot = h("div", { class: "bubble-foot" }, h("span", { class: "typing" }, h("i"), h("i"), h("i")));
        append(this.log, append(out, foot));
        const seen = { text: "", usage: null, reason: null };
        const onEvent = (event) => {
            const choice = event.choices?.[0];
            const piece = choice?.delta?.content;
            if (piece) {
                seen.text += piece;
                append(place, piece);
                this.log.scrollTop = this.log.scrollHeight;
            }
            seen.reason = choice?.finish_reason ?? seen.reason;
            seen.usage = event.usage ?? seen.usage;
        };
        const running = (this.running = new AbortController());
        this.stop.hidden = false;
        this.go.setAttribute("aria-busy", "true");
        try {
            const id = await streamChat(this.key.value.trim(), this.request(question), { signal: running.signal, onEvent });
            this.messages.push(question, { role: "assistant", content: seen.text });
            this.showCost(foot, seen, id);
        } catch (error) {
            this.showEnd(foot, error);
        } finally {
            this.running = null;
            this.stop.hidden = true;
            this.go.removeAttribute("aria-busy");
            this.log.scrollTop = this.log.scrollHeight;
        }
    }

    showEnd(foot, error) {
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
    }

    showCost(foot, { usage, reason }, id) {
        const cost = usage?.cost;
        const known = cost !== undefined && cost !== null;
        if (known) this.costs.push(cost);
        fill(
            foot,
            known && h("b", { class: "cost" }, usd(cost)),
            usage && h("span", { class: "muted small" }, `${count(usage.prompt_tokens)} in, ${count(usage.completion_tokens)} out`),
            reason === "length" && badge("cut at the limit", "warn"),
            id &&
                h(
                    "button",
                    { type: "button", class: "link small", "aria-haspopup": "dialog", onclick: () => showCharge(id) },
                    "The arithmetic",
                ),
        );
        const all = sum(this.costs);
        if (!isZero(all)) this.total.textContent = `This conversation: ${usd(all)}`;
    }
}

export function playground(page) {
    const chat = new Chat(page);
    const talk = h("section", { class: "card chat", "aria-label": "Chat" }, chat.log, chat.total, chat.form);
    append(page.root, h("div", { class: "playground" }, talk, chat.settings));
    chat.loadModels();
}
