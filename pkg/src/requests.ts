// What a worker asks of servers -> one note for each request: what was asked for, what went out, what came back.

/** A request that the engine's worker made, once it has ended. */
export interface RequestNote {
  /** The address that was asked for. Where a server sent the request on to another, only the first is known. */
  url: string;
  /** When it was made, in milliseconds since 1970. */
  at: number;
  method: string;
  /** Bytes of the body that went out; null where it was a stream. */
  sent: number | null;
  /** Bytes that came over the network, 0 from the browser's cache; null where another host does not tell the page. */
  received: number | null;
  /** The answer's status; null where it isn't told, or there was none. */
  status: number | null;
}

/** What of a timing is read; not every browser has all of it. */
type Timing = PerformanceResourceTiming & { responseStatus?: number };

/** What went out with the requests to an address that have yet to end. */
interface Outgoing {
  method: string;
  sent: number | null;
}

/**
 * Tells of every request of this worker from the first one on. The browser's own list of them says what came; it keeps quiet
 * about what went out, so that is noted on the way.
 */
export function watchRequests(tell: (note: RequestNote) => void): void {
  const outgoing = new Map<string, Outgoing[]>();
  const plain = globalThis.fetch;
  globalThis.fetch = (input, init) => {
    const { url, method } = input instanceof Request ? input : { url: String(input), method: "GET" };
    const waiting = outgoing.get(new URL(url, location.href).href) ?? [];
    waiting.push({ method: init?.method ?? method, sent: bodyBytes(init?.body ?? (input as Partial<Request>).body) });
    outgoing.set(new URL(url, location.href).href, waiting);
    return plain(input, init);
  };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as Timing[]) {
      const { method, sent } = outgoing.get(entry.name)?.shift() ?? { method: "GET", sent: 0 };
      const { name: url, responseStatus } = entry;
      const at = performance.timeOrigin + entry.startTime;
      tell({ url, at, method, sent, received: receivedBytes(entry), status: responseStatus || null });
    }
  }).observe({ type: "resource", buffered: true });
}

/** A host that does not allow it (`Timing-Allow-Origin`) has its sizes kept from other hosts' pages. */
function receivedBytes({ name, transferSize, responseStart }: Timing): number | null {
  return new URL(name).origin === location.origin || responseStart > 0 ? transferSize : null;
}

function bodyBytes(body: BodyInit | null | undefined): number | null {
  if (body === null || body === undefined) return 0;
  if (typeof body === "string" || body instanceof URLSearchParams) return new TextEncoder().encode(String(body)).length;
  if (body instanceof Blob) return body.size;
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body) ? body.byteLength : null;
}
