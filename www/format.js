// Numbers -> how people read them.

/** `98.4 MB` */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${count.toFixed(unit < 2 || count >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** `40 s`, `3 min` */
export function seconds(count) {
  return count < 90 ? `${Math.ceil(count)} s` : `${Math.round(count / 60)} min`;
}

/** `812 ms`, `2.4 s` */
export function milliseconds(count) {
  return count < 1000 ? `${Math.round(count)} ms` : `${(count / 1000).toFixed(1)} s`;
}

/** `4.2`, `131` */
export function rate(count) {
  return count >= 100 ? count.toFixed(0) : count.toFixed(1);
}
