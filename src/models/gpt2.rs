//! GPT-2 (Radford et al. 2019): settings -> tensors -> forward pass.

use super::tensors::{self, Named, holds, matrix, vector};
use super::{Constant, Family, ModelShape, settings};
use crate::manifest::{Manifest, Source};
use crate::plan::{Activation, Builder, Output, Plan};
use crate::weights::{Catalogue, Spec};
use crate::{Error, Result};

struct Gpt2 {
    source: Source,
    shape: ModelShape,
    epsilon: f32,
    activation: Activation,
    /// Whether attention scores are divided by the square root of a head's width.
    scaled: bool,
    /// Whether they are divided by the layer's number too, counted from 1.
    scaled_by_layer: bool,
    has_head: bool,
    /// What leads the names of the tensors in a Hugging Face checkpoint: some have it, some not.
    prefix: &'static str,
}

pub fn open(manifest: &Manifest) -> Result<Box<dyn Family>> {
    let s = &manifest.settings;
    let width = s.size(&["embedding_length", "n_embd"])?;
    let heads = s.size(&["attention.head_count", "n_head"])?;
    let shape = ModelShape {
        layers: s.size(&["block_count", "n_layer"])?,
        width,
        heads,
        kv_heads: heads,
        head_width: width / heads,
        hidden: s.size_or(&["feed_forward_length", "n_inner"], width.saturating_mul(4))?,
        vocab: settings::vocab(manifest)?,
        context: s.size(&["context_length", "n_positions"])?,
    }
    .checked(manifest)?;
    if !width.is_multiple_of(heads) {
        return Err(Error::Model(format!("a width of {width} cannot be shared by {heads} heads evenly")));
    }
    Ok(Box::new(Gpt2 {
        source: s.source,
        shape,
        epsilon: s.number_or(&["attention.layer_norm_epsilon", "layer_norm_epsilon"], 1e-5)? as f32,
        activation: settings::activation(s, "activation_function", Activation::GeluTanh)?,
        scaled: s.flag_or(&["scale_attn_weights"], true)?,
        scaled_by_layer: s.flag_or(&["scale_attn_by_inverse_layer_idx"], false)?,
        has_head: settings::has_head(manifest, true)?,
        prefix: if holds(manifest, "transformer.wte.weight") { "transformer." } else { "" },
    }))
}

impl Gpt2 {
    /// Names (Hugging Face's without their prefix) and shapes. Its matrices are Conv1D's: `[inputs, outputs]`.
    fn table(&self) -> Vec<Named> {
        let ModelShape { width, hidden, vocab, context, .. } = self.shape;
        vec![
            matrix("token_embd.weight", "wte.weight", vocab, width),
            matrix("position_embd.weight", "wpe.weight", context, width),
            vector("blk.{}.attn_norm.weight", "h.{}.ln_1.weight", width),
            vector("blk.{}.attn_norm.bias", "h.{}.ln_1.bias", width),
            matrix("blk.{}.attn_qkv.weight", "h.{}.attn.c_attn.weight", 3 * width, width).transposed_in_hugging_face(),
            vector("blk.{}.attn_qkv.bias", "h.{}.attn.c_attn.bias", 3 * width),
            matrix("blk.{}.attn_output.weight", "h.{}.attn.c_proj.weight", width, width).transposed_in_hugging_face(),
            vector("blk.{}.attn_output.bias", "h.{}.attn.c_proj.bias", width),
            vector("blk.{}.ffn_norm.weight", "h.{}.ln_2.weight", width),
            vector("blk.{}.ffn_norm.bias", "h.{}.ln_2.bias", width),
            matrix("blk.{}.ffn_up.weight", "h.{}.mlp.c_fc.weight", hidden, width).transposed_in_hugging_face(),
            vector("blk.{}.ffn_up.bias", "h.{}.mlp.c_fc.bias", hidden),
            matrix("blk.{}.ffn_down.weight", "h.{}.mlp.c_proj.weight", width, hidden).transposed_in_hugging_face(),
            vector("blk.{}.ffn_down.bias", "h.{}.mlp.c_proj.bias", width),
            vector("output_norm.weight", "ln_f.weight", width),
            vector("output_norm.bias", "ln_f.bias", width),
        ]
    }

    fn attention_scale(&self, layer: u32) -> f32 {
        let scale = if self.scaled { self.shape.attention_scale() } else { 1.0 };
        if self.scaled_by_layer { scale / (layer + 1) as f32 } else { scale }
    }
}

impl Family for Gpt2 {
    fn shape(&self) -> ModelShape {
        self.shape
    }

    fn specs(&self) -> Vec<Spec> {
        let ModelShape { layers, width, vocab, .. } = self.shape;
        let mut specs = tensors::specs(self.source, layers, &self.table());
        if self.source == Source::HuggingFace {
            for spec in &mut specs {
                spec.source_name.insert_str(0, self.prefix);
            }
        }
        if self.has_head {
            specs.extend(tensors::specs(self.source, 1, &[matrix("output.weight", "lm_head.weight", vocab, width)]));
        }
        specs
    }

    fn constants(&self, _: u32, _: &dyn Fn(&str) -> Option<Vec<f32>>) -> Result<Vec<Constant>> {
        Ok(Vec::new())
    }

    fn plan(&self, catalogue: &Catalogue, context: u32, rows: u32, output: Output) -> Result<Plan> {
        let ModelShape { layers, width, heads, context: learned, .. } = self.shape;
        if context > learned {
            return Err(Error::Option(format!("context is {context}: the model has learned {learned} positions")));
        }
        let epsilon = self.epsilon;
        let embeddings = catalogue.get("token_embd.weight")?;
        let head = if self.has_head { catalogue.get("output.weight")? } else { embeddings };

        let mut b = Builder::new(catalogue, rows, self.shape.cache(context));
        let x = b.embed(embeddings); // [rows, width]
        b.embed_positions(x, catalogue.get("position_embd.weight")?);
        for layer in 0..layers {
            b.scope(format!("blk.{layer}"));
            let weight = |name: &str| catalogue.get(&format!("blk.{layer}.{name}.weight"));
            let bias = |name: &str| catalogue.get(&format!("blk.{layer}.{name}.bias"));

            let h = b.layer_norm("attn_norm", x, weight("attn_norm")?, bias("attn_norm")?, epsilon);
            let qkv = b.matmul("qkv", h, weight("attn_qkv")?); // [rows, 3 * width]
            let qkv = b.bias("qkv_biased", qkv, Some(bias("attn_qkv")?));
            let [q, k, v] = b.split(qkv, [width; 3]);
            b.store(k, v, layer);
            let mixed = b.attention("attention", q, layer, heads, self.attention_scale(layer)); // [rows, width]
            let attended = b.matmul("attn_output", mixed, weight("attn_output")?); // [rows, width]
            let attended = b.bias("attn_output_biased", attended, Some(bias("attn_output")?));
            b.add_into(x, attended);

            let h = b.layer_norm("ffn_norm", x, weight("ffn_norm")?, bias("ffn_norm")?, epsilon);
            let up = b.matmul("ffn_up", h, weight("ffn_up")?); // [rows, hidden]
            let up = b.bias("ffn_up_biased", up, Some(bias("ffn_up")?));
            let up = b.activate("ffn_up_active", up, self.activation);
            let down = b.matmul("ffn_down", up, weight("ffn_down")?); // [rows, width]
            let down = b.bias("ffn_down_biased", down, Some(bias("ffn_down")?));
            b.add_into(x, down);
        }
        b.scope("");
        let x = b.output_rows(x, output);
        let (gain, bias) = (catalogue.get("output_norm.weight")?, catalogue.get("output_norm.bias")?);
        let x = b.layer_norm("output_norm", x, gain, bias, epsilon);
        let logits = b.matmul("logits", x, head); // [rows or 1, vocab]
        Ok(b.finish(logits))
    }
}
