// A chat: the model on its way, the turns, and the next question.

import { useChat, useModel } from "./oriel.js";

const MODEL = "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_0.gguf";

export function Chat() {
  const { model, status, progress, error } = useModel(MODEL);
  const chat = useChat(model, "Answer in one sentence.");
  const fault = error ?? chat.error;
  const send = (event) => {
    event.preventDefault();
    const { question } = event.target.elements;
    void chat.send(question.value);
    question.value = "";
  };
  return (
    <main>
      <h1>Oriel in React</h1>
      <ol aria-live="polite">
        {chat.messages.map(({ role, content }, place) => (
          <li key={place} className={role}>
            {content}
          </li>
        ))}
      </ol>
      <form onSubmit={send}>
        <label htmlFor="question">Question</label> <input id="question" autoComplete="off" required />{" "}
        <button disabled={!model || chat.busy}>Send</button>{" "}
        <button type="button" disabled={!chat.busy} onClick={chat.stop}>
          Stop
        </button>
      </form>
      <p role="status">
        {status === "loading" && (
          <progress aria-label="Loading" value={progress?.loaded} max={progress?.total ?? undefined} />
        )}
        {status === "ready" && `Ready, on ${model.info.device}`}
      </p>
      {fault && <p role="alert">{fault.message}</p>}
    </main>
  );
}
