// The types of React's hooks: this compiles, and what is marked does not.

import type { Message, Model, OrielError, Progress } from "oriel";
import { useChat, useModel } from "oriel/react";

const takes = <T>(given: T): T => given;

const { model, status, progress, error, retry } = useModel("hf:owner/name/file.gguf", { device: "cpu", context: 512 });
takes<Model | undefined>(model);
takes<"idle" | "loading" | "ready" | "healing" | "error">(status);
takes<Progress | undefined>(progress);
takes<OrielError | undefined>(error);
takes<() => void>(retry);
useModel(null);
useModel(undefined);
useModel(new Blob([]));

const chat = useChat(model, { system: "Answer in one sentence.", messages: [], maxTokens: 50, temperature: 0.7 });
takes<readonly Message[]>(chat.messages);
takes<Promise<void>>(chat.send("Hi"));
takes<Promise<void>>(chat.regenerate());
takes<void>(chat.stop());
chat.setMessages([{ role: "user", content: "Hi" }]);
takes<"ready" | "submitted" | "streaming" | "error">(chat.status);

// @ts-expect-error unmounting is what ends a load
useModel("a", { signal: AbortSignal.timeout(1) });
// @ts-expect-error a model, not its source
useChat("hf:owner/name");
// @ts-expect-error there is no such option
useChat(model, { quantum: 1 });
// @ts-expect-error the messages are the hook's
chat.messages.push({ role: "user", content: "Hi" });
