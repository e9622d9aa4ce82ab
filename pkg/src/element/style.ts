// How <oriel-chat> looks, by custom properties that its page may set; a sheet of its own, as a strict policy allows no style
// elements.

const CSS = `
:host {
  display: flex; flex-direction: column; gap: .5rem; box-sizing: border-box; block-size: 30rem; max-inline-size: 100%;
  padding: .75rem; font: var(--oriel-font, 1rem/1.5 system-ui, sans-serif);
  color: var(--oriel-text, CanvasText); background: var(--oriel-surface, Canvas);
  border: 1px solid var(--oriel-border, color-mix(in srgb, CanvasText 25%, Canvas));
  border-radius: var(--oriel-radius, .75rem);
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; font: inherit; color: inherit; }
:focus-visible { outline: 2px solid var(--oriel-accent, #2f5fd0); outline-offset: 2px; }
[part~=log] { flex: 1; min-block-size: 4rem; overflow-y: auto; display: flex; flex-direction: column; gap: .5rem; }
[part~=message] { position: relative; padding: .5rem .75rem; border-radius: var(--oriel-radius, .75rem);
  max-inline-size: 90%; white-space: pre-wrap; overflow-wrap: anywhere; }
[part~=user] { align-self: flex-end;
  background: var(--oriel-user, color-mix(in srgb, var(--oriel-accent, #2f5fd0) 18%, var(--oriel-surface, Canvas))); }
[part~=assistant] { align-self: flex-start; background: var(--oriel-assistant, transparent); }
[part~=status] { display: flex; gap: .5rem; align-items: center; font-size: .9em; }
[part~=progress] { flex: 1; accent-color: var(--oriel-accent, #2f5fd0); }
[part~=error] { display: flex; gap: .5rem; align-items: center; justify-content: space-between; padding: .5rem .75rem;
  border-inline-start: .25rem solid var(--oriel-error, #c62828); }
[part~=form] { display: flex; gap: .5rem; align-items: flex-end; }
[part~=input] { flex: 1; min-inline-size: 0; resize: none; field-sizing: content; max-block-size: 8lh; padding: .5rem .75rem;
  background: transparent; border: 1px solid var(--oriel-border, color-mix(in srgb, CanvasText 60%, Canvas));
  border-radius: var(--oriel-radius, .75rem); }
button { padding: .5rem 1rem; cursor: pointer; border: 0; border-radius: var(--oriel-radius, .75rem);
  color: var(--oriel-on-accent, #fff); background: var(--oriel-accent, #2f5fd0); }
button:disabled { cursor: default; opacity: .5; }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
`;

let shared: CSSStyleSheet | undefined;

/** One sheet for all elements of the page. */
export function sheet(): CSSStyleSheet {
  if (!shared) {
    shared = new CSSStyleSheet();
    shared.replaceSync(CSS);
  }
  return shared;
}
