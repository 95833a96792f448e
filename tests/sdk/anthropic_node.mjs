// SPDX-License-Identifier: Apache-2.0
// Cases of the Anthropic SDK for JavaScript: `node anthropic_node.mjs CASE JSON` runs one of them against ANTHROPIC_BASE_URL with
// ANTHROPIC_API_KEY and prints what it saw as JSON. test_anthropic_node.py looks at the results.
import Anthropic, { APIError } from "@anthropic-ai/sdk";

const input = JSON.parse(process.argv[3] ?? "{}");
const model = input.model ?? "claude-sonnet-4-6";
const client = new Anthropic({ maxRetries: input.retries ?? 0, timeout: input.timeout ?? 60000 });
const messages = [{ role: "user", content: input.content ?? "hello there" }];
const tools = [{
  name: "weather",
  description: "Says the weather",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
}];
const base = { model, max_tokens: 3000, messages };

function shown(error) {
  return {
    class: error.constructor.name, status: error.status ?? null, body: error.error ?? null, message: error.message,
    requestID: error.requestID ?? null, isAPIError: error instanceof APIError,
  };
}

const cases = {
  async create() {
    const message = await client.messages.create({ ...base, ...input.more });
    return { message, requestID: message._request_id };
  },
  async events() {
    const seen = [];
    for await (const event of await client.messages.create({ ...base, stream: true, ...input.more })) seen.push(event);
    return { events: seen };
  },
  async helper() {
    let text = "";
    const stream = client.messages.stream({ ...base, ...input.more }).on("text", (more) => { text += more; });
    const message = await stream.finalMessage();
    return { text, message, requestID: stream.request_id };
  },
  async tools() {
    const first = await client.messages.stream({ ...base, tools, ...input.more }).finalMessage();
    const calls = first.content.filter((block) => block.type === "tool_use");
    const results = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "sunny and 21 degrees" }));
    const last = await client.messages.create({
      ...base, tools, ...input.more, messages: [...messages, { role: "assistant", content: first.content }, { role: "user", content: results }] });
    return { calls, stop: first.stop_reason, content: first.content, text: last.content.filter((b) => b.type === "text").map((b) => b.text).join("") };
  },
  async count() {
    return client.messages.countTokens({ model, messages, tools });
  },
};

try {
  console.log(JSON.stringify(await cases[process.argv[2]]()));
} catch (error) {
  console.log(JSON.stringify({ error: shown(error) }));
}
