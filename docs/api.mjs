// The package's types -> its reference, docs/api/*.md: a page for each entry point.
// node docs/api.mjs
//
// By the compiler's own reading of what it emits for the package's users (`.d.ts`), so that nothing is described that they
// can't see.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SyntaxKind } from "typescript/unstable/ast";
import * as compiler from "typescript/unstable/sync";

const root = fileURLToPath(new URL("..", import.meta.url));
const target = join(root, "docs/api");

/** The pages, by their files' names. */
export function pages() {
  const folder = mkdtempSync(join(tmpdir(), "oriel-api-"));
  try {
    emit(folder);
    const api = new compiler.API({ cwd: folder });
    try {
      return render(api.updateSnapshot({ openProject: join(folder, "tsconfig.json") }).getProjects()[0], folder);
    } finally {
      api.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function emit(folder) {
  const tsc = join(createRequire(import.meta.url).resolve("typescript/package.json"), "../bin/tsc");
  const asked = ["--project", join(root, "pkg"), "--emitDeclarationOnly", "--outDir", folder];
  execFileSync(process.execPath, [tsc, ...asked], { stdio: "inherit" });
  const compilerOptions = { module: "esnext", moduleResolution: "bundler", noEmit: true, types: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["**/*.d.ts"] }));
}

/** Entry points: what is imported, and the name of their page. */
function entries() {
  const { exports } = JSON.parse(readFileSync(join(root, "pkg/package.json"), "utf8"));
  return Object.values(exports)
    .filter(({ types }) => types)
    .map(({ types }) => /([\w-]+)\.d\.ts$/.exec(types)[1])
    .map((page) => ({ page, name: page === "index" ? "oriel" : `oriel/${page}` }));
}

function render(project, folder) {
  const { program, checker } = project;
  const described = entries().map((entry) => {
    const file = program.getSourceFile(join(folder, `${entry.page}.d.ts`));
    const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(file)).map((symbol) => {
      const real = symbol.flags & compiler.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      const declarations = real.declarations.map((handle) => handle.resolve(project));
      return { name: symbol.name, declarations };
    });
    return { ...entry, symbols };
  });
  const places = placesOf(described);
  const rendered = described.map(({ page, name, symbols }) => {
    const own = symbols.filter((symbol) => places.get(symbol.name).startsWith(`${page}.md`));
    return [`${page}.md`, entryPage({ page, name, symbols: own, places })];
  });
  return new Map([["README.md", overview(described, places)], ...rendered]);
}

/** Where a name is described: at the first entry point that has it, by the anchor that its heading gets there. */
function placesOf(described) {
  const places = new Map();
  for (const { page, symbols } of described) {
    const own = symbols.filter(({ name }) => !places.has(name));
    const anchors = new Map();
    for (const { name } of [...own.filter(isValue), ...own.filter((symbol) => !isValue(symbol))]) {
      const anchor = name.toLowerCase();
      const before = anchors.get(anchor) ?? 0;
      anchors.set(anchor, before + 1);
      places.set(name, `${page}.md#${anchor}${before > 0 ? `-${before}` : ""}`);
    }
  }
  return places;
}

const MADE = "<!-- Made from the types by docs/api.mjs: change those, and run it. -->\n";

function overview(described, places) {
  const lines = described.map(({ page, name, symbols }) => {
    const links = symbols.filter(isValue).map(({ name }) => `[\`${name}\`](${places.get(name)})`);
    return `- [\`${name}\`](${page}.md): ${links.join(", ")}`;
  });
  return `${MADE}
# API reference

Made from the types of the package. Each entry point has a page:

${lines.join("\n")}
`;
}

function entryPage({ page, name, symbols, places }) {
  const link = (word) => {
    const [file, hash] = places.get(word).split("#");
    return `[\`${word}\`](${file === `${page}.md` ? "" : file}#${hash})`;
  };
  const [values, types] = [true, false].map((kind) =>
    symbols.filter((symbol) => isValue(symbol) === kind).map((symbol) => section(symbol, { places, link })),
  );
  const parts = [`${MADE}\n# \`${name}\``, ...values];
  if (symbols.length === 0) parts.push("All that it has is described at [`oriel`](index.md).");
  if (types.length > 0) parts.push("## Types", ...types);
  return `${parts.join("\n\n")}\n`;
}

const isType = ({ kind }) => kind === SyntaxKind.InterfaceDeclaration || kind === SyntaxKind.TypeAliasDeclaration;

const isValue = ({ declarations }) => !declarations.every(isType);

/** A name: what is said of it, its shape, and where the types in it are described. */
function section({ name, declarations }, { places, link }) {
  const depth = declarations.every(isType) ? "###" : "##";
  const bodies = declarations.map((declaration) => (RENDER[declaration.kind] ?? plain)(declaration));
  const code = declarations.map(bare).join("\n");
  const named = [...new Set(code.match(/\b[A-Z]\w*\b/g) ?? [])].filter((word) => word !== name && places.has(word));
  const see = named.length > 0 ? [`Types: ${named.sort().map(link).join(", ")}`] : [];
  return [`${depth} ${name}`, ...bodies, ...see].join("\n\n");
}

const RENDER = {
  [SyntaxKind.InterfaceDeclaration]: (declaration) => shape(declaration, "interface"),
  [SyntaxKind.ClassDeclaration]: (declaration) => shape(declaration, "class"),
  [SyntaxKind.TypeAliasDeclaration]: alias,
};

function plain(declaration) {
  // What is said of a constant stands above the statement.
  const statement = declaration.kind === SyntaxKind.VariableDeclaration ? declaration.parent.parent : declaration;
  return [fence(tidy(bare(statement))), ...prose(comment(statement))].join("\n\n");
}

/** An interface or a class: its head, and its members as a table, or one by one where more is to be said of them. */
function shape(declaration, word) {
  const text = bare(declaration);
  const head = text.slice(text.indexOf(`${word} `), text.indexOf("{")).trim();
  const isOwn = ({ name, modifiers }) =>
    name?.kind !== SyntaxKind.PrivateIdentifier && !modifiers?.some(({ kind }) => kind === SyntaxKind.PrivateKeyword);
  const members = declaration.members.filter(isOwn).map((member) => ({ code: tidy(bare(member)), said: comment(member) }));
  const long = word === "class" || members.some(({ said, code }) => said.includes("```") || code.includes("\n"));
  const each = ({ code, said }) => [fence(code), ...prose(said)].join("\n\n");
  const body = long ? members.map(each) : members.length > 0 ? [table(members)] : [];
  return [`\`${head}\``, ...prose(comment(declaration)), ...body].join("\n\n");
}

/** A type by another name; one of several, each with what is said of it. */
function alias(declaration) {
  const { types = [] } = declaration.type;
  // A comment stands before the stroke, so it is no part of the type.
  const between = (type, n) => declaration.getSourceFile().text.slice(types[n - 1]?.end ?? type.pos, type.getStart());
  const said = types.map((type, n) => inside(between(type, n)));
  const whole = fence(tidy(bare(declaration)));
  const [body] = said.some(Boolean) ? [table(types.map((type, n) => ({ code: tidy(bare(type)), said: said[n] })))] : [whole];
  return [...prose(comment(declaration)), body].join("\n\n");
}

function table(rows) {
  const cell = (text) => text.replaceAll("|", "\\|").replace(/\s*\n\s*/g, " ");
  const row = ({ code, said }) => `| \`${cell(code)}\` | ${cell(prose(said).join(" "))} |`;
  return ["| | |", "| --- | --- |", ...rows.map(row)].join("\n");
}

const fence = (code) => `\`\`\`ts\n${code}\n\`\`\``;

/** A node's text without comments. */
function bare(node) {
  return node.getText().replace(/\/\*\*[\s\S]*?\*\/\s*/g, "");
}

/** As a reader wants it: no words that only a declaration file needs; an optional member is undefined anyway. */
function tidy(code) {
  const outer = code
    .replace(/^(export )?(declare )?/, "")
    .replace(/^get (\w+)\(\)/, "readonly $1")
    .replace(/;$/, "");
  const indent = /\n( *)\S[^\n]*$/.exec(outer)?.[1] ?? "";
  const flush = outer.replaceAll(`\n${indent}`, "\n").replaceAll("    ", "  ");
  return flush.replace(/^((?:readonly )?\w+\?: [^\n]*?) \| undefined$/, "$1");
}

/** The comment that stands before a node, as text. */
const comment = (node) => inside(node.getFullText());

/** The comment with which a text begins. */
function inside(text) {
  const [, said = ""] = /^\s*\/\*\*([\s\S]*?)\*\//.exec(text) ?? [];
  return said.replace(/^[ \t]*\* ?/gm, "").trim();
}

/** A comment as paragraphs: its text, then what its tags say. */
function prose(said) {
  const [text = "", ...tags] = said.split(/^@/m);
  const names = { param: (rest) => rest.replace(/^(\w+) /, "`$1`: "), throws: (rest) => `Throws ${rest}` };
  const listed = tags.map((tag) => {
    const [, name, rest] = /^(\w+)\s*([\s\S]*)$/.exec(tag.trim());
    if (!names[name]) throw new Error(`docs/api.mjs knows no @${name}`);
    return `- ${names[name](rest.replace(/\n/g, "\n  "))}`;
  });
  return [text.trim(), listed.join("\n")].filter(Boolean);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = pages();
  for (const name of readdirSync(target)) if (!made.has(name)) rmSync(join(target, name));
  for (const [name, text] of made) writeFileSync(join(target, name), text);
}
