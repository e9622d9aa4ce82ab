// Nothing here is for Oriel, but for the development server: what is prepared ahead of time loses sight of its worker.

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  plugins: [react()],
  optimizeDeps: { exclude: ["oriel"] },
});
