// The page: a model is chosen, words are typed, words come back. Everything that computes stands in the package; this
// is an ordinary user of it, and can be read as its tutorial, from here on.

import { load } from "./oriel/index.js";
import { Announcer } from "./announcer.js";
import { Chooser } from "./chooser.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { DEMO } from "./demo.js";
import { deviceOptions } from "./device.js";
import { Figures } from "./figures.js";
import { LOST, Notice } from "./notice.js";
import { ProgressView } from "./progress.js";
import { Settings } from "./settings.js";

const announcer = new Announcer();
const notice = new Notice("#prompt");
const figures = new Figures();
const settings = new Settings();
const progress = new ProgressView("#prompt");
const conversation = new Conversation(announcer);
const chooser = new Chooser({ onChoose: (choice) => void bring(choice ?? DEMO) });
const composer = new Composer({ onSend: (text) => void say(text), onStop: () => run?.stop() });

/** The model in use, the chat with it, and the generation that is going on; undefined where there is none. */
let model, chat, run;
/** Ends the load that is going on. */
let loading;

/** `idle`, `loading`, `ready` or `answering`: the look of the page follows it. */
function enter(state) {
  document.body.dataset.state = state;
  composer.answering = state === "answering";
}

/** Loads a model in place of the one before. Resolves to whether there is a model now. */
async function bring({ source, name }) {
  notice.hide();
  loading?.abort();
  if (model) conversation.note(`From here on, ${name} answers. It does not know what was said before.`);
  const controller = (loading = new AbortController());
  enter("loading");
  progress.show(name, controller);
  chooser.name = name;
  try {
    await release();
    const onProgress = (report) => progress.report(report);
    const fresh = await load(source, { ...deviceOptions(), signal: controller.signal, onProgress, onEvent: heal });
    if (loading !== controller) return void (await fresh.dispose());
    model = fresh;
    chooser.loaded(name, model.info);
    composer.chat = model.info.chat;
    figures.model(model.info);
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

/** Frees the model and forgets the chat with it. */
async function release() {
  const old = model;
  model = chat = undefined;
  figures.clear();
  await old?.dispose();
}

/** Sends what was typed; without a model, the demo model comes first. */
async function say(text) {
  notice.hide();
  if (!settings.valid) {
    composer.giveBack(text);
    openPanel(true);
    return settings.report();
  }
  conversation.user(text, composer.mode);
  if (!model && !(await modelForThis())) return composer.giveBack(conversation.takeBack(text));
  enter("answering");
  const answer = conversation.answer(chooser.name, composer.mode === "complete" ? text : "");
  try {
    run = begin(text);
    for await (const chunk of run) {
      answer.add(chunk.text);
      figures.live();
    }
    const result = await run.result;
    answer.end(result);
    figures.result(result);
  } catch (error) {
    answer.fail();
    if (LOST.has(error.code)) {
      void release(); // the page is of use again at once, while the old model still goes
      chooser.name = undefined;
      enter("idle");
    }
    if (error.code !== "disposed") notice.show(error);
  } finally {
    run = undefined;
    if (model) enter("ready");
  }
}

/** Waits for the load that is going on, or for the demo model. Resolves to whether there is a model to answer. */
async function modelForThis() {
  composer.waiting = true;
  conversation.waiting("Waiting for the model");
  const asked = conversation.talk;
  await (loading ? progress.finished : bring(DEMO));
  composer.waiting = false;
  return model !== undefined && asked === conversation.talk;
}

/** The two ways to ask: the next turn of a chat, or the continuation of a text. */
function begin(text) {
  const options = settings.sampling();
  figures.start();
  if (composer.mode === "complete") return model.generate(text, options);
  chat ??= model.session({ system: settings.system() });
  return chat.send(text, options);
}

document.querySelector("#new-chat").addEventListener("click", () => {
  run?.stop();
  chat = undefined;
  conversation.clear();
  notice.hide();
  composer.focus();
});

const panel = document.querySelector("#panel");
const toggle = document.querySelector("#panel-toggle");

function openPanel(open) {
  panel.toggleAttribute("data-open", open);
  toggle.setAttribute("aria-expanded", String(open));
  (open ? panel.querySelector("button") : toggle).focus();
}

toggle.addEventListener("click", () => openPanel(!panel.hasAttribute("data-open")));
panel.querySelector("#panel-close").addEventListener("click", () => openPanel(false));
addEventListener("keydown", ({ key }) => key === "Escape" && panel.hasAttribute("data-open") && openPanel(false));
