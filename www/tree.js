// A conversation as a tree: a message that is regenerated or edited stands beside the one before, and each keeps what
// followed it. Its record is plain data, as the browser's database and a file hold it.

/** How long a title made of the first words may be. */
const TITLE_LENGTH = 60;

const fresh = () => crypto.getRandomValues(new BigUint64Array(1))[0].toString(36);

export class Tree {
  /**
   * `{ id, title, created, updated, model, settings, chosen, messages }`. A message is `{ id, parent, role, text, mode }`,
   * an answer also `{ who, given, state, tokens, afterwards }`; `chosen` names the one in view after each parent.
   */
  record;

  /** A conversation that was kept, or a new one. */
  constructor(record) {
    const now = Date.now();
    this.record = record ?? { id: fresh(), title: "", created: now, updated: now, settings: {}, chosen: {}, messages: [] };
    for (const message of this.record.messages) {
      if (message.state !== "streaming") continue;
      Object.assign(message, { state: "failed", afterwards: "The page was closed in the middle of this answer." });
    }
  }

  get id() {
    return this.record.id;
  }

  /** The messages in view, from the first to the last. */
  path() {
    const path = [];
    for (let next = this.#next(""); next; next = this.#next(next.id)) path.push(next);
    return path;
  }

  /** Adds a message after `parent`, or as a first one, and has it in view. */
  add(parent, fields) {
    const message = { ...fields, id: fresh(), parent: parent?.id ?? "" };
    this.record.messages.push(message);
    this.record.updated = Date.now();
    this.choose(message);
    return message;
  }

  /** Takes back a message that nothing follows. */
  remove(message) {
    const { record } = this;
    record.messages = record.messages.filter((other) => other !== message);
    delete record.chosen[message.parent];
  }

  /** Has a message in view instead of those beside it. */
  choose(message) {
    this.record.chosen[message.parent] = message.id;
  }

  /** Has a message in view, whichever branch it stands in. */
  show(message) {
    for (let up = message; up; up = this.parent(up)) this.choose(up);
  }

  /** A message and those beside it, in the order in which they came. */
  siblings({ parent }) {
    return this.record.messages.filter((message) => message.parent === parent);
  }

  /** The message that another follows; undefined for a first one. */
  parent(message) {
    return this.record.messages.find(({ id }) => id === message.parent);
  }

  /** What the model reads to answer a question: the turns before it that came to an answer, and the question. */
  prompt(asked) {
    const said = [{ role: "user", content: asked.text }];
    for (let before = this.parent(asked); before; before = this.parent(before)) {
      const { role, mode, state, text } = before;
      if (role !== "assistant" || mode !== "chat" || state !== "done" || !text) continue;
      said.unshift({ role: "user", content: this.parent(before).text }, { role, content: text });
    }
    return said;
  }

  #next(parent) {
    const after = this.record.messages.filter((message) => message.parent === parent);
    return after.find(({ id }) => id === this.record.chosen[parent]) ?? after.at(-1);
  }
}

/** What a conversation is called: by its visitor, or by its first words. */
export function titleOf({ title, messages }) {
  if (title) return title;
  const [first = ""] = (messages[0]?.text ?? "").trim().split("\n");
  return first.length > TITLE_LENGTH ? `${first.slice(0, TITLE_LENGTH).trimEnd()}…` : first || "New chat";
}

/** Adds to a record what another page has said in the same conversation meanwhile. */
export function merge(record, other) {
  const more = new Map((other?.messages ?? []).map((message) => [message.id, message]));
  const own = record.messages.map((message) => {
    const theirs = more.get(message.id);
    more.delete(message.id);
    // An answer that came to its end there may be known here by its beginning only.
    return message.state !== "done" && theirs?.state === "done" ? theirs : message;
  });
  return { ...record, title: record.title || (other?.title ?? ""), messages: [...own, ...more.values()] };
}
