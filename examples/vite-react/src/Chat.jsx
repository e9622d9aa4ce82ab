// A chat: the model on its way, the turns, and the next question.

import { useChat, useModel } from "oriel/react";

const MODEL = "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_0.gguf";

export function Chat() {
  const { model, status, progress, error, retry } = useModel(MODEL);
  const chat = useChat(model, { system: "Answer in one sentence.", maxTokens: 200 });
  const busy = chat.status === "submitted" || chat.status === "streaming";
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
        <button disabled={!model || busy}>Send</button>{" "}
        <button type="button" disabled={!busy} onClick={chat.stop}>
          Stop
        </button>
      </form>
      <p role="status">
        {status === "loading" && (
          <progress aria-label="Loading" value={progress?.loaded} max={progress?.total ?? undefined} />
        )}
        {status === "ready" && `Ready, on ${model.info.device}`}
      </p>
      {error && (
        <p role="alert">
          {error.message} <button onClick={retry}>Try again</button>
        </p>
      )}
      {chat.error && <p role="alert">{chat.error.message}</p>}
    </main>
  );
}
