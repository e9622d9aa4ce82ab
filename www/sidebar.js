// The conversations kept in this browser -> a list to open, search, rename, export and delete.

import { make, iconButton } from "./elements.js";
import { Shelf } from "./shelf.js";
import { titleOf } from "./tree.js";

/** How much of a message is shown around what was searched for, in characters. */
const AROUND = 30;

export class Sidebar {
  #list = document.querySelector("#kept");
  #search = document.querySelector("#search");
  #status = document.querySelector("#kept-status");
  #undo = document.querySelector("#undo");
  #menu = document.querySelector("#kept-menu");
  #acts;
  #shelf;
  /** All that is kept, the newest first, and the one that was deleted last. */
  #records = [];
  #deleted;
  #current;
  /** The conversation that the menu is about. */
  #subject;

  /**
   * `acts`: `onOpen(record)`, `onRename(record)`, `onDelete(id)`, `onFault(error)`. Rejects where the browser keeps nothing.
   */
  static async open(acts) {
    const sidebar = new Sidebar();
    sidebar.#acts = acts;
    sidebar.#listen();
    try {
      sidebar.#shelf = await Shelf.open(() => void sidebar.#read());
      await sidebar.#read();
    } catch (error) {
      sidebar.#say(`This browser lets the page keep nothing (${error.message}): conversations end with this page.`);
    }
    return sidebar;
  }

  /** Keeps a conversation as it stands. */
  async keep(record) {
    if (!this.#shelf) return;
    try {
      await this.#shelf.put(record);
      await this.#read();
    } catch (error) {
      this.#acts.onFault(error);
    }
  }

  /** What is kept under a name; undefined for nothing. */
  find(id) {
    return this.#records.find((record) => record.id === id);
  }

  /** Marks the conversation that is in view. */
  set current(id) {
    this.#current = id;
    this.#draw();
  }

  async #read() {
    this.#records = await this.#shelf.all();
    this.#draw();
  }

  #draw() {
    // What is being renamed stays in its place until that is done.
    if (this.#list.querySelector("input")) return;
    const wanted = this.#search.value.trim().toLowerCase();
    const found = this.#records.flatMap((record) => {
      const place = wanted ? hit(record, wanted) : "";
      return place === undefined ? [] : [this.#row(record, place)];
    });
    const focused = this.#list.contains(document.activeElement) && document.activeElement.closest("li")?.dataset.id;
    const part = document.activeElement?.className;
    this.#list.replaceChildren(...found);
    if (focused) this.#list.querySelector(`[data-id="${focused}"] .${part}`)?.focus();
    this.#search.parentElement.hidden = this.#records.length === 0;
    if (wanted) this.#say(found.length === 1 ? "1 conversation" : `${found.length || "No"} conversations`);
    else this.#say(`${this.#records.length ? "Kept" : "Conversations are kept here,"} in this browser only.`);
  }

  #row(record, around) {
    const open = make("button", { type: "button", className: "open" }, make("span", { textContent: titleOf(record) }));
    if (around) open.append(make("small", { textContent: around }));
    if (record.id === this.#current) open.setAttribute("aria-current", "true");
    open.addEventListener("click", () => this.#acts.onOpen(record));
    const more = iconButton("more", `More about ${titleOf(record)}`, () => this.#openMenu(record, more));
    more.setAttribute("aria-haspopup", "dialog");
    const row = make("li", {}, open, more);
    row.dataset.id = record.id;
    return row;
  }

  #listen() {
    this.#search.addEventListener("input", () => this.#draw());
    this.#undo.addEventListener("click", async () => {
      await this.keep(this.#deleted);
      this.#undo.hidden = true;
      this.#list.querySelector(`[data-id="${this.#deleted.id}"] .open`)?.focus();
    });
    this.#menu.addEventListener("click", ({ target }) => {
      const { act } = target.dataset;
      if (!act) return;
      this.#menu.hidePopover();
      if (act === "rename") this.#rename(this.#subject);
      else if (act === "delete") void this.#delete(this.#subject);
      else this.#export(this.#subject, act).catch((error) => this.#say(`It could not be exported: ${error.message}.`));
    });
    // Escape closes the menu and nothing else.
    this.#menu.addEventListener("keydown", (event) => event.key === "Escape" && event.stopPropagation());
  }

  #openMenu(record, button) {
    this.#subject = record;
    const { right, bottom } = button.getBoundingClientRect();
    this.#menu.showPopover();
    const { offsetWidth: width, offsetHeight: height } = this.#menu;
    this.#menu.style.left = `${Math.max(8, right - width)}px`;
    this.#menu.style.top = `${Math.min(bottom + 4, innerHeight - height - 8)}px`;
    this.#menu.querySelector("button").focus();
  }

  #rename(record) {
    const row = this.#list.querySelector(`[data-id="${record.id}"]`);
    const name = make("input", { value: titleOf(record), ariaLabel: "Name of the conversation", maxLength: 200 });
    let over = false;
    const end = (kept) => {
      if (over) return;
      over = true;
      name.remove();
      if (kept && name.value.trim() && name.value !== titleOf(record)) {
        record.title = name.value.trim();
        this.#acts.onRename(record);
        void this.keep(record);
      }
      this.#draw();
      this.#list.querySelector(`[data-id="${record.id}"] .open`)?.focus();
    };
    name.addEventListener("blur", () => end(true));
    name.addEventListener("keydown", (event) => {
      if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
      event.stopPropagation();
      // Enter would open the conversation, as the focus is on it by then.
      event.preventDefault();
      end(event.key === "Enter");
    });
    row.replaceChildren(name);
    name.select();
  }

  async #delete(record) {
    try {
      await this.#shelf.remove(record.id);
      this.#acts.onDelete(record.id);
      await this.#read();
    } catch (error) {
      return this.#acts.onFault(error);
    }
    this.#deleted = record;
    this.#undo.hidden = false;
    this.#say(`“${titleOf(record)}” is deleted.`);
    this.#undo.focus();
  }

  async #export(record, kind) {
    const { fileOf } = await import("./transcript.js");
    const { name, type, text } = fileOf(record, kind);
    const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    link.click();
    // The browser reads it after the click.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  #say(text) {
    this.#status.textContent = text;
  }
}

/** Words around what is looked for in a conversation; empty if its title has it, undefined if nothing has. */
function hit(record, wanted) {
  if (titleOf(record).toLowerCase().includes(wanted)) return "";
  for (const { text } of record.messages) {
    const place = text.toLowerCase().indexOf(wanted);
    if (place < 0) continue;
    const from = Math.max(0, place - AROUND);
    const to = place + wanted.length + AROUND;
    return `${from ? "…" : ""}${text.slice(from, to).replace(/\s+/g, " ")}${to < text.length ? "…" : ""}`;
  }
  return undefined;
}
