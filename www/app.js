// The page: a model is chosen, words are typed, words come back. Everything that computes stands in the package; this
// is an ordinary user of it, and can be read as its tutorial, from here on.

import { requests } from "./requests.js";
import { load } from "./oriel/index.js";
import { Announcer } from "./announcer.js";
import { Chooser } from "./chooser.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { DEMO } from "./demo.js";
import { deviceOptions } from "./device.js";
import { drawer } from "./drawer.js";
import { Figures } from "./figures.js";
import { gauge } from "./gauge.js";
import { LOST, Notice } from "./notice.js";
import { ProgressView } from "./progress.js";
import { Settings } from "./settings.js";
import { note, noted } from "./shown.js";
import { Tree } from "./tree.js";

/** How often an answer that is coming is kept, in milliseconds. */
const KEEP_MS = 2000;

const announcer = new Announcer();
const notice = new Notice("#prompt");
const figures = new Figures();
const settings = new Settings({ onChange: () => talk.record.messages.length > 0 && keep(talk) });
const progress = new ProgressView("#prompt");
const chooser = new Chooser({
  onChoose: (choice) => void bring(choice ?? DEMO),
  onFault: (error) => notice.show(error),
});
const composer = new Composer({ onSend: (text) => void say(text), onStop: () => run?.stop() });
const conversation = new Conversation(announcer, {
  onAgain: (message) => idle() && void answer(talk.parent(message)),
  onEdit: (message, text) => {
    if (!idle() || (message.role === "user" && !acceptable())) return false;
    void reword(message, text);
    return true;
  },
  onChoose: (message) => {
    talk.choose(message);
    conversation.show(talk);
    keep(talk);
  },
});

/** The model in use, and the generation that is going on; undefined where there is none. */
let model, run;
/** What the model was loaded from. */
let chosen;
/** Ends the load that is going on. */
let loading;
/** The conversation in view. */
let talk = new Tree();

/** `idle`, `loading`, `ready` or `answering`: the look of the page follows it. */
function enter(state) {
  document.body.dataset.state = state;
  composer.answering = state === "answering";
}

/** Loads a model in place of the one before. Resolves to whether there is a model now. */
async function bring({ source, name }) {
  notice.hide();
  loading?.abort();
  const controller = (loading = new AbortController());
  enter("loading");
  progress.show(name, controller);
  chooser.name = name;
  try {
    await release();
    const onProgress = (report) => progress.report(report);
    const hear = { onProgress, onEvent: heal, onRequest: requests.engine };
    const fresh = await load(source, { ...deviceOptions(), signal: controller.signal, ...hear });
    if (loading !== controller) return void (await fresh.dispose());
    model = fresh;
    chosen = typeof source === "string" ? { source, name } : undefined;
    chooser.loaded(name, model.info);
    composer.chat = model.info.chat;
    figures.model(model);
    announcer.say(`${name} is ready.`);
    enter("ready");
  } catch (error) {
    if (loading !== controller) return;
    enter("idle");
    chooser.name = undefined;
    notice.show(error);
  }
  loading = undefined;
  progress.hide();
}

/** The graphics card or the worker went away, and the package brings the model again: the answer waits, and goes on. */
function heal({ type, progress: report }) {
  if (type === "healing") return progress.report(report);
  if (type !== "lost") return progress.hide();
  const what = `${chooser.name} was lost by the device and is loaded again`;
  announcer.say(`${what}.`);
  const abort = () => {
    void release();
    chooser.name = undefined;
    progress.hide();
    enter("idle");
  };
  progress.show(what, { abort }, "");
}

/** Frees the model. */
async function release() {
  const old = model;
  model = undefined;
  figures.clear();
  await old?.dispose();
}

/** Sends what was typed; where no model comes to answer it, it goes back into its box. */
async function say(text) {
  notice.hide();
  if (!acceptable()) return composer.giveBack();
  const own = talk;
  const asked = own.add(own.path().at(-1), { role: "user", text, mode: composer.mode });
  conversation.show(own);
  if (await answer(asked)) return;
  own.remove(asked);
  conversation.show(talk);
  composer.giveBack();
}

/** Puts another version of a message beside it: a question is answered anew, an answer stands as it was put. */
async function reword(message, text) {
  if (message.role === "assistant") {
    talk.add(talk.parent(message), { ...message, text, state: "done", afterwards: "edited" });
    conversation.show(talk);
    return keep(talk);
  }
  const own = talk;
  const asked = own.add(own.parent(message), { role: "user", text, mode: message.mode });
  conversation.show(own);
  if (await answer(asked)) return;
  own.remove(asked);
  conversation.show(talk);
}

/** Whether the settings make sense; if not, the first that does not is shown. */
function acceptable() {
  if (settings.valid) return true;
  panel.open(true);
  settings.report();
  return false;
}

gauge.addEventListener("branch", ({ detail }) => {
  if (!idle()) return;
  talk.show(detail.asked);
  void answer(detail.asked, detail);
});

/** Whether nothing is being answered. */
function idle() {
  return !run && !composer.waiting;
}

/** Has a question answered, or an answer of it gone on with from a branch. Resolves to whether there was a model for it. */
async function answer(asked, branch = { text: "", chunks: [] }) {
  notice.hide();
  const own = talk;
  if (!acceptable() || (!model && !(await modelForThis(own)))) return false;
  const { mode, text: given } = asked;
  const begun = { text: branch.text, tokens: branch.chunks.length };
  const heading = { role: "assistant", mode, who: chooser.name, state: "streaming", ...begun, afterwards: "" };
  const message = own.add(asked, mode === "complete" ? { ...heading, given } : heading);
  own.record.model = chosen;
  enter("answering");
  conversation.show(own);
  const writer = conversation.answer(message);
  keep(own);
  let kept = performance.now();
  try {
    run = begin(own, asked, branch);
    for await (const chunk of run) {
      writer.add(chunk.text);
      figures.live(chunk);
      if (performance.now() - kept < KEEP_MS) continue;
      kept = performance.now();
      keep(own);
    }
    const result = await run.result;
    writer.end(result);
    figures.result(result);
  } catch (error) {
    writer.fail();
    if (LOST.has(error.code)) {
      void release(); // the page is of use again at once, while the old model still goes
      chooser.name = undefined;
      enter("idle");
    }
    if (error.code !== "disposed") notice.show(error);
  } finally {
    run = undefined;
    keep(own);
    if (model) enter("ready");
  }
  return true;
}

/** Waits for the load that is going on, or for the conversation's model. Resolves to whether there is a model to answer. */
async function modelForThis(own) {
  composer.waiting = true;
  conversation.waiting("Waiting for the model");
  await (loading ? progress.finished : bring(own.record.model ?? DEMO));
  composer.waiting = false;
  return model !== undefined && own === talk;
}

/** The ways to ask: the next turn of a chat, the continuation of a text, or of an answer with another token in it. */
function begin(own, asked, branch) {
  figures.start();
  const sampling = settings.sampling();
  if (branch.tokens) {
    const maxTokens = Math.max(sampling.maxTokens - branch.chunks.length, 1);
    return model.generate(branch.tokens, gauge.begin(branch, { ...sampling, maxTokens }));
  }
  const generate = (prompt) => model.generate(prompt, gauge.begin({ asked, prompt }, sampling));
  if (asked.mode === "complete") return generate(asked.text);
  // The engine's cache holds what the conversation had before: only what is new is computed.
  const system = settings.system();
  return generate([...(system ? [{ role: "system", content: system }] : []), ...own.prompt(asked)]);
}

/** The list of conversations, once it has come: the page is of use before. */
const sidebar = import("./sidebar.js").then(({ Sidebar }) =>
  Sidebar.open({
    onOpen: (record) => open(new Tree(structuredClone(record))),
    onRename: ({ id, title }) => id === talk.id && (talk.record.title = title),
    onDelete: (id) => {
      if (id !== talk.id) return;
      talk.deleted = true;
      open(new Tree());
    },
    onFault: (error) => notice.show({ code: "kept", message: error.message }),
  }),
).catch((error) => {
  // The page is of use without it.
  document.querySelector("#kept-status").textContent = `Conversations end with this page: ${error.message}.`;
  return { keep: () => undefined, find: () => undefined };
});

/** Keeps a conversation in the browser, with the settings that it has. */
function keep(own) {
  if (own.deleted) return;
  if (own === talk) own.record.settings = settings.fields;
  void sidebar.then((list) => list.keep(structuredClone(own.record)));
}

/** Shows a conversation, which a reload of the page will show again. */
function open(own) {
  run?.stop();
  gauge.forget();
  talk = own;
  if (own.record.messages.length) settings.fields = own.record.settings;
  conversation.open(own);
  notice.hide();
  note(own.id);
  void sidebar.then((list) => (list.current = own.id));
  shelf.open(false);
  composer.focus();
}

for (const button of document.querySelectorAll("#new-chat, #new-chat-top")) {
  button.addEventListener("click", () => open(new Tree()));
}

document.querySelector("#browse").addEventListener("click", async () => {
  try {
    const { openGallery } = await import("./gallery.js");
    openGallery((choice) => void bring(choice));
  } catch (error) {
    notice.show(error);
  }
});

const panel = drawer("#panel", "#panel-toggle", "#panel-close");
const shelf = drawer("#sidebar", "#sidebar-toggle", "#sidebar-close");

void sidebar.then((list) => {
  const before = list.find(noted());
  if (before && talk.record.messages.length === 0) open(new Tree(structuredClone(before)));
  else list.current = talk.id;
  note(talk.id);
});
