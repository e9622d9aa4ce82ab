// A conversation by the AI SDK: an answer as it comes, then a title for it in one piece.

import { generateText, streamText } from "ai";
import { createOriel } from "oriel/ai-sdk";

const MODEL = "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_0.gguf";

const [list, form, question, send, status] = document.querySelectorAll("[id]");

const oriel = createOriel({ onProgress: ({ phase }) => (status.textContent = phase) });
// Loaded at the first call.
const model = oriel(MODEL);
const messages = [];

form.onsubmit = async (event) => {
  event.preventDefault();
  send.disabled = true;
  messages.push({ role: "user", content: say("user", question.value).textContent });
  question.value = "";
  const words = say("assistant", "");
  try {
    // Errors in mid-stream come to onError, not to the loop.
    const onError = ({ error }) => (status.textContent = error.message);
    const { textStream, usage } = streamText({ model, messages, maxOutputTokens: 200, temperature: 0, onError });
    for await (const delta of textStream) words.textContent += delta;
    messages.push({ role: "assistant", content: words.textContent });
    const { outputTokens } = await usage;
    const prompt = `Give a title of at most five words to this: ${words.textContent}`;
    const title = await generateText({ model, prompt, maxOutputTokens: 12 });
    document.title = title.text;
    status.textContent = `${outputTokens} tokens`;
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
