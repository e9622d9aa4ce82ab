// The model that both pages offer by themselves.

export const DEMO = { source: "models/SmolLM2-135M-Instruct.Q4_1.gguf", name: "SmolLM2 135M Instruct" };
