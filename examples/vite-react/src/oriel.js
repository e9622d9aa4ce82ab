// A model and a conversation as hooks.

import { load } from "oriel";
import { useCallback, useEffect, useRef, useState } from "react";

/** Loads a model while the component is mounted, and frees it afterwards. */
export function useModel(source) {
  const [state, setState] = useState({ status: "loading" });
  useEffect(() => {
    const unmounted = new AbortController();
    const { signal } = unmounted;
    const tell = (more) => signal.aborted || setState((state) => ({ ...state, ...more }));
    const loading = load(source, { signal, onProgress: (progress) => tell({ progress }) });
    loading.then(
      (model) => tell({ model, status: "ready" }),
      (error) => tell({ error, status: "error" }),
    );
    return () => {
      unmounted.abort();
      loading.then((model) => model.dispose()).catch(() => undefined);
    };
  }, [source]);
  return state;
}

/** Leads a conversation with a model that may be on its way. */
export function useChat(model, system) {
  const [messages, setMessages] = useState([]);
  const [error, setError] = useState();
  const [busy, setBusy] = useState(false);
  const chat = useRef();
  const run = useRef();
  useEffect(() => {
    chat.current = model?.session({ system });
    setMessages([]);
  }, [model, system]);
  const send = useCallback(async (text) => {
    setBusy(true);
    setError(undefined);
    const before = chat.current.messages.filter(({ role }) => role !== "system");
    let content = "";
    const show = () => setMessages([...before, { role: "user", content: text }, { role: "assistant", content }]);
    show();
    try {
      run.current = chat.current.send(text, { maxTokens: 200 });
      for await (const chunk of run.current) {
        content += chunk.text;
        show();
      }
    } catch (thrown) {
      setError(thrown);
    }
    setBusy(false);
  }, []);
  const stop = useCallback(() => run.current?.stop(), []);
  return { messages, error, busy, send, stop };
}
