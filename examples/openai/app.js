// A conversation by OpenAI's own client, which talks to a model in the page. Nothing goes to its address.

import OpenAI from "openai";
import { load } from "oriel";
import { createFetch } from "oriel/openai";

const MODEL = "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_0.gguf";

const [list, form, question, send, status] = document.querySelectorAll("[id]");

const loading = load(MODEL, { onProgress: ({ phase }) => (status.textContent = phase) });
loading.catch((error) => (status.textContent = error.message));

const client = new OpenAI({
  apiKey: "-",
  baseURL: "https://oriel.invalid/v1",
  // A request waits until the model is there.
  fetch: createFetch(loading),
  dangerouslyAllowBrowser: true,
});
const messages = [];

form.onsubmit = async (event) => {
  event.preventDefault();
  send.disabled = true;
  messages.push({ role: "user", content: say("user", question.value).textContent });
  question.value = "";
  const words = say("assistant", "");
  try {
    const stream = await client.chat.completions.create({
      model: "qwen2.5-0.5b",
      messages,
      max_completion_tokens: 200,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const { choices, usage } of stream) {
      words.textContent += choices[0]?.delta.content ?? "";
      if (usage) status.textContent = `${usage.completion_tokens} tokens`;
    }
    messages.push({ role: "assistant", content: words.textContent });
  } catch (error) {
    status.textContent = error.message;
  }
  send.disabled = false;
};

function say(role, text) {
  const item = document.createElement("li");
  item.className = role;
  item.textContent = text;
  list.append(item);
  return item;
}
