// Tokens with how likely they were -> the token view: each a colour, its alternatives when it is pointed at, and another
// answer from any of them on.

import { make } from "./elements.js";
import { gauge } from "./gauge.js";

/** From likely to unlikely: the least probability of each colour. */
const STEPS = [0.9, 0.6, 0.3, 0.1, 0];

const HINT =
  "While this is open, answers tell how likely each token was. Point at one, or walk with the arrow keys; a click keeps it.";

export function show(root) {
  const view = new View(root);
  const details = root.closest("details");
  const look = () => (gauge.likelihoods = details.open);
  details.addEventListener("toggle", look);
  look();
  gauge.addEventListener("answer", () => view.begin(gauge.answer));
  gauge.addEventListener("token", () => view.grow());
  view.begin(gauge.answer);
}

class View {
  #state = make("p", { className: "hint" });
  #list = make("div", { className: "tokens", role: "listbox", "aria-label": "Tokens of the answer" });
  #detail = make("div", { className: "alternatives" });
  /** The answer in view, and the tokens of it that are drawn. */
  #answer;
  #drawn = 0;
  /** The token that was clicked stays chosen, whatever is pointed at. */
  #pinned;

  constructor(root) {
    const scale = make("p", { className: "scale", "aria-hidden": "true" }, "likely");
    scale.append(...STEPS.map((_, step) => make("span", { className: `token p-${step}` })), "unlikely");
    root.append(make("p", { className: "hint" }, HINT), scale, this.#state, this.#list, this.#detail);
    this.#list.addEventListener("pointerover", ({ target }) => !this.#pinned && this.#choose(target));
    this.#list.addEventListener("focusin", ({ target }) => this.#choose(target));
    this.#list.addEventListener("click", ({ target }) => {
      const token = target.closest(".token");
      this.#pinned = token === this.#pinned ? undefined : token;
      this.#choose(target);
    });
    this.#list.addEventListener("keydown", (event) => this.#walk(event));
  }

  begin(answer) {
    const held = this.#detail.contains(document.activeElement);
    this.#answer = answer;
    this.#drawn = 0;
    this.#pinned = undefined;
    this.#list.replaceChildren();
    this.#detail.replaceChildren();
    this.#list.hidden = true;
    const asked = answer?.options.topLogprobs !== undefined;
    this.#state.textContent = answer === undefined ? "The next answer will be shown here." : "";
    if (answer && !asked) this.#state.textContent = "The newest answer began before this was opened.";
    if (answer?.chunks.length > 0) this.grow();
    if (asked && answer.from > 0) this.#keep(this.#list.children[answer.from - 1], held);
  }

  /** After a branch its place stays chosen, so that others can be tried there; the keyboard's focus stays there too. */
  #keep(token, held) {
    this.#pinned = token;
    this.#choose(token);
    token.scrollIntoView({ block: "nearest" });
    if (held) token.focus({ preventScroll: true });
  }

  grow() {
    const { chunks, options, from } = this.#answer ?? { chunks: [] };
    if (!options?.topLogprobs) return;
    this.#list.hidden = false;
    for (; this.#drawn < chunks.length; this.#drawn += 1) this.#list.append(token(chunks[this.#drawn], this.#drawn));
    const probabilities = chunks.map(({ logprob }) => logprob);
    const mean = probabilities.reduce((sum, logprob) => sum + logprob, 0) / probabilities.length;
    const branch = from > 0 ? `Another way from token ${from} on. ` : "";
    const count = chunks.length === 1 ? "1 token" : `${chunks.length} tokens`;
    this.#state.textContent = `${branch}${count}, in the geometric mean ${percent(mean)} likely.`;
    if (!this.#pinned) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #choose(target) {
    const chosen = target.closest(".token");
    if (!chosen) return;
    for (const other of this.#list.querySelectorAll('[aria-selected="true"]')) mark(other, false);
    mark(chosen, true);
    const place = Number(chosen.dataset.place);
    const chunk = this.#answer.chunks[place];
    const rows = chunk.topLogprobs.map((other) => this.#alternative(other, chunk, place));
    const listed = chunk.topLogprobs.some(({ token: id }) => id === chunk.token);
    if (!listed) rows.push(this.#alternative(chunk, chunk, place));
    const title = make("h3", {}, `In place ${place + 1}, the likeliest`);
    const words = "Choose another, and the answer goes on from it, as a new version in the conversation.";
    const hint = make("p", { className: "hint" }, words);
    this.#detail.replaceChildren(title, make("ul", {}, ...rows), hint);
  }

  #alternative({ token: id, text, logprob }, chunk, place) {
    const bar = make("meter", { min: 0, max: 1, value: Math.exp(logprob), "aria-hidden": "true" });
    const own = id === chunk.token;
    const share = make("span", {}, percent(logprob));
    const button = make("button", { type: "button", disabled: own }, make("code", {}, visible(text)), bar, share);
    if (own) share.append(make("span", { className: "unseen" }, ", the one that was taken"));
    const instead = { token: id, text, logprob, topLogprobs: chunk.topLogprobs };
    button.addEventListener("click", () => void this.#branch(place, instead));
    return make("li", {}, button);
  }

  /** Has the page answer anew from the tokens before a place and another token in it. */
  async #branch(place, instead) {
    const answer = this.#answer;
    const { model } = gauge;
    if (document.body.dataset.state !== "ready") return this.#say("An answer is still coming: this can be done after it.");
    const chunks = [...answer.chunks.slice(0, place), instead];
    const ids = chunks.map(({ token: id }) => id);
    try {
      const calls = [tokensOf(model, answer.prompt), model.detokenize(ids), model.detokenize(ids.slice(0, -1))];
      const [before, whole, without] = await Promise.all(calls);
      if (answer !== this.#answer) return;
      if (whole === without) return this.#say("This token is none of the text: it ends the answer, or steers the model.");
      // Bytes that are no whole character yet become one with what follows.
      const text = whole.replace(/\uFFFD+$/, "");
      gauge.branch({ asked: answer.asked, prompt: answer.prompt, chunks, text, tokens: [...before, ...ids] });
    } catch (error) {
      this.#say(error.message);
    }
  }

  #say(words) {
    this.#detail.querySelector(".hint").textContent = words;
  }

  #walk(event) {
    const all = [...this.#list.children];
    const at = all.indexOf(document.activeElement);
    const before = Math.max(at - 1, 0);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: before, ArrowUp: before, Home: 0, End: all.length - 1 };
    if (event.key === "Escape") this.#pinned = undefined;
    if (!(event.key in to)) return;
    event.preventDefault();
    all[to[event.key]]?.focus();
  }
}

function token(chunk, place) {
  const probability = Math.exp(chunk.logprob);
  const step = STEPS.findIndex((least) => probability >= least);
  const element = make("span", { className: `token p-${step}`, role: "option", tabIndex: place === 0 ? 0 : -1 });
  element.dataset.place = place;
  element.textContent = chunk.text === "" ? "·" : chunk.text.replaceAll("\n", "↵\n");
  element.setAttribute("aria-selected", "false");
  return element;
}

/** One token at a time is in the keyboard's way: the chosen one. */
function mark(element, chosen) {
  element.setAttribute("aria-selected", String(chosen));
  element.tabIndex = chosen ? 0 : -1;
}

/** The tokens by which the model was asked: a text's, or a conversation's, as the template has written them out. */
async function tokensOf(model, prompt) {
  if (typeof prompt === "string") return model.tokenize(prompt);
  const all = await model.tokenize(await model.applyTemplate(prompt));
  const lead = await model.tokenize("");
  // What a vocabulary puts before a text is the template's to write here.
  return lead.every((id, place) => all[place] === id) ? all.slice(lead.length) : all;
}

const visible = (text) => JSON.stringify(text).slice(1, -1).replace(/^ /, "␣") || "(nothing)";

function percent(logprob) {
  const share = Math.exp(logprob) * 100;
  return share < 0.1 ? "< 0.1 %" : `${share.toFixed(1)} %`;
}
