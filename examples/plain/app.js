// A chat on a page without a build. The package's files are served as they are.

import { load } from "./node_modules/oriel/dist/index.js";

const MODEL = "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_0.gguf";

const { messages, form, question, send, stop, status, progress } = Object.fromEntries(
  [...document.querySelectorAll("[id]")].map((element) => [element.id, element]),
);

let run;
stop.onclick = () => run?.stop();

try {
  const model = await load(MODEL, { onProgress: showProgress, onEvent: ({ type }) => (status.textContent = type) });
  const chat = model.session({ system: "Answer in one sentence." });
  form.onsubmit = (event) => {
    event.preventDefault();
    void answer(chat, question.value);
    question.value = "";
  };
  status.textContent = `Ready, on ${model.info.device}`;
  send.disabled = false;
} catch (error) {
  status.textContent = error.message;
}
progress.hidden = true;

async function answer(chat, text) {
  say("user", text);
  const words = say("assistant", "");
  [send.disabled, stop.disabled] = [true, false];
  try {
    run = chat.send(text, { maxTokens: 200 });
    for await (const chunk of run) words.textContent += chunk.text;
    const { timings } = await run.result;
    status.textContent = `${timings.decodeTokensPerSecond.toFixed(1)} tokens a second`;
  } catch (error) {
    status.textContent = error.message;
  }
  [send.disabled, stop.disabled] = [false, true];
}

function say(role, text) {
  const item = document.createElement("li");
  item.className = role;
  item.textContent = text;
  messages.append(item);
  return item;
}

function showProgress({ phase, loaded, total }) {
  if (phase !== "fetch" || total === null) return;
  progress.max = total;
  progress.value = loaded;
}
