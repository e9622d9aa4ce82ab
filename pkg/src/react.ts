// oriel/react: a model and a conversation as hooks. They begin with what shows them and end with it.
"use client";

import { useEffect, useState, useSyncExternalStore } from "react";
import type { Message, Model, Source } from "./index.js";
import { Conversation, type ChatOptions, type ChatState } from "./ui/conversation.js";
import { Loader, type LoadState, type WantedOptions } from "./ui/loader.js";

/** How the model is loaded: `load`'s options without `signal`, as unmounting ends the load. */
export type UseModelOptions = WantedOptions;

/** A model on its way, or there. */
export interface UseModel extends LoadState {
  /** Loads again, after an error. */
  readonly retry: () => void;
}

/**
 * Loads a model while the component is mounted, and frees it afterwards.
 *
 * ```tsx
 * const { model, status, progress, error, retry } = useModel("hf:owner/name/file.gguf");
 * ```
 * @param source null to load nothing yet. Another source, or other options, load another model; callbacks may be new
 * functions each time, objects (files, a tuning) have to be the same ones.
 */
export function useModel(source: Source | null | undefined, options: UseModelOptions = {}): UseModel {
  const [loader] = useState(() => new Loader());
  const state = useSyncExternalStore(loader.subscribe, loader.state, loader.state);
  useEffect(() => loader.hold(), [loader]);
  useEffect(() => loader.want(source ?? null, options));
  // What the effect is about to begin is not idle.
  const status = state.status === "idle" && source ? "loading" : state.status;
  return { ...state, status, retry: loader.retry };
}

/** How a conversation is led: `generate`'s options, and how it begins. */
export interface UseChatOptions extends ChatOptions {
  /** Turns that were taken before, when the component is mounted. */
  messages?: readonly Message[] | undefined;
}

/** A conversation. */
export interface UseChat extends ChatState {
  /**
   * Says something, and resolves when the answer is over; `error` says what went wrong with it.
   * Rejects without a model and while an answer is given.
   */
  readonly send: (text: string) => Promise<void>;
  /** Ends the answer and keeps what there is. */
  readonly stop: () => void;
  /** Answers the last question again. */
  readonly regenerate: () => Promise<void>;
  /** Takes other turns; an answer that is given is ended. */
  readonly setMessages: (messages: readonly Message[]) => void;
}

/**
 * Leads a conversation; an answer ends when the component is unmounted.
 *
 * ```tsx
 * const { messages, send, stop, status } = useChat(model, { system: "Answer in one sentence." });
 * ```
 * @param model as `useModel` gives it; there may be none yet
 */
export function useChat(model: Model | undefined, options: UseChatOptions = {}): UseChat {
  const { messages, ...led } = options;
  const [conversation] = useState(() => new Conversation(messages));
  const state = useSyncExternalStore(conversation.subscribe, conversation.state, conversation.state);
  useEffect(() => conversation.use(model, led));
  useEffect(() => () => conversation.halt(), [conversation]);
  const { send, stop, regenerate, setMessages } = conversation;
  return { ...state, send, stop, regenerate, setMessages };
}

export type { ChatOptions, ChatState } from "./ui/conversation.js";
export type { LoadState, WantedOptions } from "./ui/loader.js";
