// SPDX-License-Identifier: Apache-2.0
// Cases of the Vercel AI SDK: reads a line {"case", "provider", "base_url", "key", "model", ...} of JSON after the other and prints what it saw as
// a line of JSON. test_ai_sdk.py looks at the results. Providers: "openai" is createOpenAI(...).chat, "compatible" is @ai-sdk/openai-compatible, "responses"
// is createOpenAI(...) itself, whose default is POST /v1/responses.
import { createInterface } from "node:readline";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embed, embedMany, generateObject, generateText, isStepCount, Output, RetryError, streamText, tool } from "ai";
import { z } from "zod";

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const weather = tool({
  description: "Says the weather of a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `sunny in ${city}`,
});
const person = z.object({ name: z.string(), age: z.number() });

function provider(asked) {
  return asked.provider !== "compatible"
    ? createOpenAI({ baseURL: asked.base_url, apiKey: asked.key })
    : createOpenAICompatible({ name: "aig", baseURL: asked.base_url, apiKey: asked.key, includeUsage: true, supportsStructuredOutputs: true });
}

function settings(asked) {
  const from = provider(asked);
  const models = { openai: () => from.chat(asked.model), compatible: () => from.chatModel(asked.model), responses: () => from(asked.model) };
  return { model: models[asked.provider](), maxRetries: asked.retries ?? 0, ...(asked.store !== undefined && { providerOptions: { openai: { store: asked.store } } }) };
}

const cases = {
  async text(asked) {
    const { text, usage, finishReason, response } = await generateText({ ...settings(asked), system: "be brief", prompt: asked.text });
    return { text, usage, finishReason, requestID: response.headers["x-request-id"] };
  },
  async stream(asked) {
    const seen = { text: "", pieces: 0, errors: [] };
    const result = streamText({ ...settings(asked), prompt: asked.text, onError: ({ error }) => seen.errors.push(shown(error)) });
    for await (const piece of result.textStream) {
      seen.text += piece;
      seen.pieces += 1;
    }
    if (seen.errors.length > 0) return seen;
    return { ...seen, usage: await result.usage, finishReason: await result.finishReason };
  },
  async tools(asked) {
    const { text, steps } = await generateText({ ...settings(asked), prompt: asked.text, tools: { weather }, stopWhen: isStepCount(3) });
    return { text, calls: steps.flatMap((step) => step.toolCalls.map((c) => ({ id: c.toolCallId, name: c.toolName, input: c.input }))), steps: steps.length };
  },
  async streamedTools(asked) {
    const result = streamText({ ...settings(asked), prompt: asked.text, tools: { weather }, stopWhen: isStepCount(3) });
    const calls = [];
    for await (const part of result.fullStream) {
      if (part.type === "error") throw part.error;
      if (part.type === "tool-call") calls.push({ id: part.toolCallId, name: part.toolName, input: part.input });
    }
    return { calls, text: await result.text };
  },
  // A conversation whose messages go back as the SDK gave them.
  async turns(asked) {
    const messages = [{ role: "user", content: asked.text }];
    for (const more of asked.more) {
      const { response } = await generateText({ ...settings(asked), messages, tools: { weather }, stopWhen: isStepCount(3) });
      messages.push(...response.messages, { role: "user", content: more });
    }
    const result = streamText({ ...settings(asked), messages, tools: { weather }, stopWhen: isStepCount(3), onError: () => {} });
    let text = "";
    for await (const part of result.fullStream) {
      if (part.type === "error") throw part.error;
      if (part.type === "text-delta") text += part.text;
    }
    return { text };
  },
  async oldObject(asked) {
    const { object } = await generateObject({ ...settings(asked), prompt: asked.text, schema: person });
    return { output: object };
  },
  async object(asked) {
    const { output } = await generateText({ ...settings(asked), prompt: asked.text, output: Output.object({ schema: person }) });
    return { output };
  },
  async json(asked) {
    const { output } = await generateText({ ...settings(asked), prompt: asked.text, output: Output.json() });
    return { output };
  },
  async vision(asked) {
    const content = [{ type: "text", text: asked.text }, { type: "file", data: `data:image/png;base64,${PNG}`, mediaType: "image/png" }];
    return { text: (await generateText({ ...settings(asked), messages: [{ role: "user", content }] })).text };
  },
  async embeddings(asked) {
    const from = provider(asked);
    const model = asked.provider === "openai" ? from.embedding(asked.model) : from.embeddingModel(asked.model);
    const one = await embed({ model, value: "one", maxRetries: 0 });
    const many = await embedMany({ model, values: ["two", "three"], maxRetries: 0 });
    return { sizes: [one.embedding.length, ...many.embeddings.map((e) => e.length)], tokens: one.usage.tokens };
  },
};

function shown(error) {
  const last = RetryError.isInstance(error) ? error.lastError : error;
  return { class: last.name, status: last.statusCode ?? null, message: last.message ?? String(last), isCallError: APICallError.isInstance(last),
    retryable: last.isRetryable ?? null, code: last.data?.error?.code ?? null };
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let seen;
  try {
    seen = await cases[asked.case](asked);
  } catch (error) {
    seen = { error: shown(error) };
  }
  console.log(JSON.stringify(seen));
}
