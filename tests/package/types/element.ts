// The types of <oriel-chat>: this compiles, and what is marked does not.

import type { Message, Source } from "oriel";
import { OrielChat, type OrielChatEvents } from "oriel/element";

const takes = <T>(given: T): T => given;

const element = document.createElement("oriel-chat");
takes<OrielChat>(element);
takes<HTMLElement>(element);
takes<Source | undefined>(element.source);
element.source = new Blob([]);
takes<readonly Message[]>(element.messages);
element.messages = [{ role: "user", content: "Hi" }];
takes<Promise<void>>(element.send("Hi"));
takes<"idle" | "loading" | "ready" | "healing" | "error" | "submitted" | "streaming">(element.status);
takes<(event: OrielChatEvents["oriel-answer"]) => readonly Message[]>(({ detail }) => detail.messages);

// @ts-expect-error a number is no source
element.source = 5;
// @ts-expect-error where it stands is its own to say
element.status = "ready";
