//! Qwen 2 and 2.5 (arXiv 2407.10671): queries, keys and values have biases. Settings -> tensors -> forward pass.

use super::rope::Rope;
use super::tensors::{self, joined, matrix, vector};
use super::{Constant, Family, ModelShape, settings};
use crate::Result;
use crate::manifest::{Manifest, Source};
use crate::plan::{Activation, Builder, Output, Pairing, Plan};
use crate::weights::{Catalogue, Spec};

struct Qwen2 {
    source: Source,
    shape: ModelShape,
    epsilon: f32,
    rope: Rope,
    activation: Activation,
    has_head: bool,
}

pub fn open(manifest: &Manifest) -> Result<Box<dyn Family>> {
    let s = &manifest.settings;
    let width = s.size(&["embedding_length", "hidden_size"])?;
    let heads = s.size(&["attention.head_count", "num_attention_heads"])?;
    let shape = ModelShape {
        layers: s.size(&["block_count", "num_hidden_layers"])?,
        width,
        heads,
        kv_heads: s.size_or(&["attention.head_count_kv", "num_key_value_heads"], heads)?,
        head_width: s.size_or(&["attention.key_length", "head_dim"], width / heads)?,
        hidden: s.size(&["feed_forward_length", "intermediate_size"])?,
        vocab: settings::vocab(manifest)?,
        context: s.size(&["context_length", "max_position_embeddings"])?,
    }
    .checked(manifest)?;
    Ok(Box::new(Qwen2 {
        source: s.source,
        shape,
        epsilon: s.number_or(&["attention.layer_norm_rms_epsilon", "rms_norm_eps"], 1e-6)? as f32,
        rope: Rope::read(manifest, shape.head_width, shape.context)?,
        activation: settings::activation(s, "hidden_act", Activation::Silu)?,
        has_head: settings::has_head(manifest, false)?,
    }))
}

impl Family for Qwen2 {
    fn shape(&self) -> ModelShape {
        self.shape
    }

    fn specs(&self) -> Vec<Spec> {
        let ModelShape { layers, width, hidden, vocab, .. } = self.shape;
        let (queries, keys) = (self.shape.query_width(), self.shape.kv_width());
        let mut table = vec![
            matrix("token_embd.weight", "model.embed_tokens.weight", vocab, width),
            vector("blk.{}.attn_norm.weight", "model.layers.{}.input_layernorm.weight", width),
            matrix("blk.{}.attn_output.weight", "model.layers.{}.self_attn.o_proj.weight", width, queries),
            vector("blk.{}.ffn_norm.weight", "model.layers.{}.post_attention_layernorm.weight", width),
            matrix("blk.{}.ffn_down.weight", "model.layers.{}.mlp.down_proj.weight", width, hidden),
            vector("output_norm.weight", "model.norm.weight", width),
        ];
        table.extend(joined(
            "blk.{}.attn_qkv.weight",
            [
                matrix("blk.{}.attn_q.weight", "model.layers.{}.self_attn.q_proj.weight", queries, width),
                matrix("blk.{}.attn_k.weight", "model.layers.{}.self_attn.k_proj.weight", keys, width),
                matrix("blk.{}.attn_v.weight", "model.layers.{}.self_attn.v_proj.weight", keys, width),
            ],
        ));
        table.extend(joined(
            "blk.{}.ffn_gate_up.weight",
            [
                matrix("blk.{}.ffn_gate.weight", "model.layers.{}.mlp.gate_proj.weight", hidden, width),
                matrix("blk.{}.ffn_up.weight", "model.layers.{}.mlp.up_proj.weight", hidden, width),
            ],
        ));
        table.extend(joined(
            "blk.{}.attn_qkv.bias",
            [
                vector("blk.{}.attn_q.bias", "model.layers.{}.self_attn.q_proj.bias", queries),
                vector("blk.{}.attn_k.bias", "model.layers.{}.self_attn.k_proj.bias", keys),
                vector("blk.{}.attn_v.bias", "model.layers.{}.self_attn.v_proj.bias", keys),
            ],
        ));
        if self.has_head {
            table.push(matrix("output.weight", "lm_head.weight", vocab, width));
        }
        let mut specs = tensors::specs(self.source, layers, &table);
        specs.extend(self.rope.specs());
        specs
    }

    fn kept(&self) -> Vec<&'static str> {
        self.rope.kept()
    }

    fn constants(&self, context: u32, tensor: &dyn Fn(&str) -> Option<Vec<f32>>) -> Result<Vec<Constant>> {
        Ok(vec![self.rope.constant(context, tensor)?])
    }

    fn plan(&self, catalogue: &Catalogue, context: u32, rows: u32, output: Output) -> Result<Plan> {
        let ModelShape { layers, heads, hidden, .. } = self.shape;
        let (queries, keys) = (self.shape.query_width(), self.shape.kv_width());
        let (epsilon, scale, rotary) = (self.epsilon, self.shape.attention_scale(), self.rope.rotary);
        let table = self.rope.table(catalogue, context)?;
        let embeddings = catalogue.get("token_embd.weight")?;
        let head = if self.has_head { catalogue.get("output.weight")? } else { embeddings };

        let mut b = Builder::new(catalogue, rows, self.shape.cache(context));
        let x = b.embed(embeddings); // [rows, width]
        for layer in 0..layers {
            b.scope(format!("blk.{layer}"));
            let weight = |name: &str| catalogue.get(&format!("blk.{layer}.{name}.weight"));
            let bias = |name: &str| catalogue.get(&format!("blk.{layer}.{name}.bias"));

            let h = b.rms_norm("attn_norm", x, weight("attn_norm")?, epsilon);
            let qkv = b.matmul("qkv", h, weight("attn_qkv")?); // [rows, (heads + 2 * kv_heads) * head_width]
            let qkv = b.bias("qkv_biased", qkv, Some(bias("attn_qkv")?));
            let [q, k, v] = b.split(qkv, [queries, keys, keys]);
            let q = b.rope("q_rotated", q, table, rotary, Pairing::Halves);
            let k = b.rope("k_rotated", k, table, rotary, Pairing::Halves);
            b.store(k, v, layer);
            let mixed = b.attention("attention", q, layer, heads, scale); // [rows, heads * head_width]
            let attended = b.matmul("attn_output", mixed, weight("attn_output")?); // [rows, width]
            b.add_into(x, attended);

            let h = b.rms_norm("ffn_norm", x, weight("ffn_norm")?, epsilon);
            let gate_up = b.matmul("ffn_gate_up", h, weight("ffn_gate_up")?); // [rows, 2 * hidden]
            let [gate, up] = b.split(gate_up, [hidden, hidden]);
            let gated = b.activate("ffn_gated", gate, self.activation); // [rows, hidden]
            b.multiply_into(gated, up);
            let down = b.matmul("ffn_down", gated, weight("ffn_down")?); // [rows, width]
            b.add_into(x, down);
        }
        b.scope("");
        let x = b.output_rows(x, output);
        let x = b.rms_norm("output_norm", x, catalogue.get("output_norm.weight")?, epsilon);
        let logits = b.matmul("logits", x, head); // [rows or 1, vocab]
        Ok(b.finish(logits))
    }
}
