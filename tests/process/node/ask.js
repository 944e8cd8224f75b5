// Ask a gateway over HTTP with one of two libraries, and print what came as one line of JSON.
//
//   node ask.js openai|ai-sdk chat|responses http://127.0.0.1:8080/v1
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { z } from "zod";

const [library, api, baseURL] = process.argv.slice(2);
const apiKey = "unused";
const weather = (city) => `rain in ${city}`;

/** Return what each question brought, by OpenAI's library. */
async function askWithOpenAI() {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
  const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const tools = [{ type: "function", function: { name: "weather", description: "Tells the weather.", parameters } }];
  const asking = (content) => ({ model: "auto", messages: [{ role: "user", content }] });
  const whole = await client.chat.completions.create(asking("hello"));
  let streamed = "";
  let tokens = 0;
  const options = { stream: true, stream_options: { include_usage: true } };
  for await (const chunk of await client.chat.completions.create({ ...asking("hello"), ...options })) {
    streamed += chunk.choices[0]?.delta.content ?? "";
    tokens += chunk.usage?.total_tokens ?? 0;
  }
  const runner = client.chat.completions.runTools({
    ...asking("weather"),
    stream: true,
    tools: [{ ...tools[0], function: { ...tools[0].function, parse: JSON.parse, function: ({ city }) => weather(city) } }],
  });
  const toolAnswer = await runner.finalContent();
  const broken = await client.chat.completions
    .create({ ...asking("break"), stream: true })
    .then(async (stream) => {
      for await (const _ of stream);
      return null;
    })
    .catch((error) => error.message);
  const refused = await client.chat.completions
    .create({ ...asking("hello"), audio: { voice: "x", format: "wav" } })
    .then(() => null, (error) => error.param);
  return { whole: whole.choices[0].message.content, streamed, tokens, toolAnswer, broken, refused };
}

/** Return the same by OpenAI's library and its Responses API. */
async function askForResponses() {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
  const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const tools = [{ type: "function", name: "weather", parameters, strict: false }];
  const asking = (content) => ({ model: "auto", input: [{ role: "user", content }] });
  const whole = await client.responses.create(asking("hello"));
  let streamed = "";
  let tokens = 0;
  for await (const event of await client.responses.create({ ...asking("hello"), stream: true })) {
    if (event.type === "response.output_text.delta") streamed += event.delta;
    if (event.type === "response.completed") tokens = event.response.usage.total_tokens;
  }
  const called = await client.responses.stream({ ...asking("weather"), tools }).finalResponse();
  const [call] = called.output.filter(({ type }) => type === "function_call");
  const output = weather(JSON.parse(call.arguments).city);
  const result = { type: "function_call_output", call_id: call.call_id, output };
  const input = [...asking("weather").input, ...called.output, result];
  const toolAnswer = (await client.responses.create({ model: "auto", input, tools })).output_text;
  const broken = await client.responses
    .create({ ...asking("break"), stream: true })
    .then(async (stream) => {
      for await (const _ of stream);
      return null;
    })
    .catch((error) => error.message);
  const refused = await client.responses
    .create({ ...asking("hello"), background: true })
    .then(() => null, (error) => error.param);
  return { whole: whole.output_text, streamed, tokens, toolAnswer, broken, refused };
}

/** Return the same by the AI SDK. */
async function askWithAISDK() {
  const model =
    api === "chat"
      ? createOpenAICompatible({ name: "gateway", baseURL, apiKey, includeUsage: true })("auto")
      : createOpenAI({ baseURL, apiKey })("auto");
  const common = { model, maxRetries: 0, providerOptions: { openai: { store: false } } };
  const tools = {
    weather: tool({
      description: "Tells the weather.",
      inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => weather(city),
    }),
  };
  const whole = await generateText({ ...common, prompt: "hello" });
  const stream = streamText({ ...common, prompt: "hello" });
  let streamed = "";
  for await (const text of stream.textStream) streamed += text;
  const tokens = (await stream.usage).totalTokens;
  const run = streamText({ ...common, prompt: "weather", tools, stopWhen: stepCountIs(3) });
  for await (const _ of run.fullStream);
  const toolAnswer = await run.text;
  let broken = null; // The error that the stream names comes first, then that the connection was cut.
  try {
    for await (const part of streamText({ ...common, prompt: "break", onError: () => {} }).fullStream) {
      if (part.type === "error") broken ??= part.error?.message ?? String(part.error);
    }
  } catch (error) {
    broken ??= error.message;
  }
  const options = { gateway: { audio: { voice: "x", format: "wav" } }, openai: { previousResponseId: "resp_1" } };
  const refused = await generateText({ ...common, prompt: "hello", providerOptions: options })
    .then(() => null, (error) => JSON.parse(error.responseBody).error.param);
  return { whole: whole.text, streamed, tokens, toolAnswer, broken, refused };
}

const ask = library === "ai-sdk" ? askWithAISDK : api === "chat" ? askWithOpenAI : askForResponses;
console.log(JSON.stringify(await ask()));
