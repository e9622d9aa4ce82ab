// What the build puts into `oriel/inline`: scripts, and modules of WebAssembly by raw DEFLATE in base64.

declare module "text:*" {
  const script: string;
  export default script;
}

declare module "deflated:*" {
  const module: string;
  export default module;
}
