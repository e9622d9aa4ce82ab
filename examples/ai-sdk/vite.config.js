// Nothing here is for Oriel, but for the development server: what is prepared ahead of time loses sight of its worker.

import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: { target: "es2022" },
  optimizeDeps: { exclude: ["oriel"] },
});
