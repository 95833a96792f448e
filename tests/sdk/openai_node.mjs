// SPDX-License-Identifier: Apache-2.0
// Cases of the OpenAI SDK for JavaScript: `node openai_node.mjs CASE JSON` runs one of them against OPENAI_BASE_URL with
// OPENAI_API_KEY and prints what it saw as JSON. test_openai_node.py looks at the results.
import OpenAI, { APIError } from "openai";

const input = JSON.parse(process.argv[3] ?? "{}");
const model = input.model ?? "gpt-4o-mini";
const client = new OpenAI({ maxRetries: input.retries ?? 0, timeout: input.timeout ?? 60000 });
const messages = [{ role: "user", content: input.content ?? "hello there" }];
const tools = [{
  type: "function",
  function: {
    name: "weather",
    description: "Says the weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
}];

function shown(error) {
  return {
    class: error.constructor.name, status: error.status ?? null, code: error.code ?? null, type: error.type ?? null,
    param: error.param ?? null, message: error.message, requestID: error.requestID ?? null, isAPIError: error instanceof APIError,
  };
}

async function collect(stream) {
  const seen = { text: "", calls: [], finish: null, usage: null, chunks: 0, empty: 0 };
  for await (const chunk of stream) {
    seen.chunks += 1;
    seen.usage = chunk.usage ?? seen.usage;
    if (chunk.choices.length === 0) seen.empty += 1;
    for (const choice of chunk.choices) {
      seen.text += choice.delta.content ?? "";
      seen.finish = choice.finish_reason ?? seen.finish;
      for (const part of choice.delta.tool_calls ?? []) {
        const call = (seen.calls[part.index] ??= { id: null, name: "", arguments: "" });
        call.id = part.id ?? call.id;
        call.name += part.function?.name ?? "";
        call.arguments += part.function?.arguments ?? "";
      }
    }
  }
  return seen;
}

const cases = {
  async plain() {
    const answer = await client.chat.completions.create({ model, messages, ...input.more });
    return { answer, requestID: answer._request_id };
  },
  async stream() {
    const { data, response } = await client.chat.completions.create({ model, messages, stream: true, ...input.more }).withResponse();
    return { ...(await collect(data)), requestID: response.headers.get("x-request-id") };
  },
  async tools() {
    const answer = await client.chat.completions.create({ model, messages, tools, ...input.more });
    const message = answer.choices[0].message;
    const results = message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "sunny and 21 degrees" }));
    const last = await client.chat.completions.create({ model, messages: [...messages, message, ...results], tools });
    return { calls: message.tool_calls, finish: answer.choices[0].finish_reason, text: last.choices[0].message.content };
  },
  async streamedTools() {
    return collect(await client.chat.completions.create({ model, messages, tools, stream: true }));
  },
  async helper() {
    const runner = client.chat.completions.stream({ model, messages, tools });
    const final = await runner.finalChatCompletion();
    return { calls: final.choices[0].message.tool_calls, finish: final.choices[0].finish_reason };
  },
  async raw() {
    const { data, response, request_id } = await client.chat.completions.create({ model, messages }).withResponse();
    return { headers: Object.fromEntries(response.headers), request_id, text: data.choices[0].message.content };
  },
  async embeddings() {
    const answer = await client.embeddings.create({ model, input: input.content ?? ["one", "two"], ...input.more });
    return { sizes: answer.data.map((d) => d.embedding.length), first: answer.data[0].embedding.slice(0, 3), usage: answer.usage };
  },
  async idempotent() {
    const seen = [];
    for (let k = 0; k < 2; k++) {
      const { data, response } = await client.chat.completions
        .create({ model, messages, ...input.more }, { headers: { "Idempotency-Key": input.idempotency } }).withResponse();
      const text = input.more?.stream ? (await collect(data)).text : data.choices[0].message.content;
      seen.push({ text, requestID: response.headers.get("x-request-id"), replay: response.headers.get("x-aig-idempotent-replay") });
    }
    return { seen };
  },
  async models() {
    const names = [];
    for await (const one of client.models.list()) names.push(one.id);
    return { names, one: await client.models.retrieve("gpt-4o") };
  },
  async leave() {
    const { data, response } = await client.chat.completions.create({ model, messages, stream: true }).withResponse();
    for await (const chunk of data) if (chunk.choices[0]?.delta.content) break;
    return { requestID: response.headers.get("x-request-id") };
  },
  async abort() {
    const controller = new AbortController();
    const call = client.chat.completions.create({ model, messages }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 300);
    return { answer: await call };
  },
  async many() {
    const texts = await Promise.all([...Array(20).keys()].map(async (k) => collect(
      await client.chat.completions.create({ model, messages: [{ role: "user", content: `stream ${k} of many` }], stream: true }))));
    return { right: texts.filter((t, k) => t.text.includes(`stream ${k} of many`)).length };
  },
};

try {
  console.log(JSON.stringify(await cases[process.argv[2]]()));
} catch (error) {
  console.log(JSON.stringify({ error: shown(error) }));
}
