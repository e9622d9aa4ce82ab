//! Calls in the order of a forward pass -> a [`Plan`]. Wrong shapes are mistakes of a model's code and panic; a model's
//! files are checked against its [`Spec`](crate::weights::Spec)s before a plan is built over them.

use super::*;
use crate::kernels::choose;
use crate::weights::{Catalogue, Layout};

/// Records a plan: each call is a step and returns what it computes.
pub struct Builder<'a> {
    catalogue: &'a Catalogue,
    plan: Plan,
    scope: String,
    output: Output,
}

impl<'a> Builder<'a> {
    /// An empty plan with room for `rows` rows.
    pub fn new(catalogue: &'a Catalogue, rows: u32, cache: CacheShape) -> Builder<'a> {
        let nothing = Tensor(usize::MAX);
        let plan = Plan { rows, cache, tensors: Vec::new(), steps: Vec::new(), logits: nothing, choice: None };
        Builder { catalogue, plan, scope: String::new(), output: Output::All }
    }

    /// Leads the names of the tensors that follow: `blk.3`.
    pub fn scope(&mut self, scope: impl Into<String>) {
        self.scope = scope.into();
    }

    fn tensor(&mut self, name: &str, rows: Rows, width: u32) -> View {
        let name = if self.scope.is_empty() { name.to_string() } else { format!("{}.{name}", self.scope) };
        let tensor = Tensor(self.plan.tensors.len());
        self.plan.tensors.push(TensorInfo { name, rows, width });
        View { tensor, start: 0, width }
    }

    fn rows(&self, view: View) -> Rows {
        self.plan.info(view.tensor).rows
    }

    fn layout(&self, weight: WeightId) -> &'a Layout {
        self.catalogue.layout(weight)
    }

    fn check_vector(&self, weight: WeightId, width: u32) {
        let layout = self.layout(weight);
        let name = self.catalogue.name(weight);
        assert_eq!((layout.outputs, layout.inputs), (1, width), "{name} is no vector of {width}");
    }

    /// Columns of a tensor.
    pub fn slice(&self, x: View, start: u32, width: u32) -> View {
        assert!(start + width <= x.width, "columns {start} + {width} of a view of {}", x.width);
        View { tensor: x.tensor, start: x.start + start, width }
    }

    /// The columns of a tensor in runs of these widths, one after another.
    pub fn split<const N: usize>(&self, x: View, widths: [u32; N]) -> [View; N] {
        let mut start = 0;
        let views = widths.map(|width| {
            let view = self.slice(x, start, width);
            start += width;
            view
        });
        assert_eq!(start, x.width, "runs of {widths:?} of a view of {}", x.width);
        views
    }

    /// A tensor that is filled from outside: for tests of kernels.
    pub fn input(&mut self, name: &str, width: u32) -> View {
        self.tensor(name, Rows::All, width)
    }

    /// Rows of `table` by token.
    pub fn embed(&mut self, table: WeightId) -> View {
        let y = self.tensor("x", Rows::All, self.layout(table).inputs);
        self.plan.steps.push(Step::Embed { table, index: Index::Token, combine: Combine::Store, y: y.tensor });
        y
    }

    /// Adds rows of `table` by position to `y`.
    pub fn embed_positions(&mut self, y: View, table: WeightId) {
        assert_eq!(self.layout(table).inputs, y.width, "{} has another width", self.catalogue.name(table));
        self.plan.steps.push(Step::Embed { table, index: Index::Position, combine: Combine::Add, y: y.tensor });
    }

    /// Root mean square norm of each row.
    pub fn rms_norm(&mut self, name: &str, x: View, gain: WeightId, epsilon: f32) -> View {
        self.check_vector(gain, x.width);
        let y = self.tensor(name, self.rows(x), x.width);
        self.plan.steps.push(Step::RmsNorm { x, gain, groups: 1, epsilon, y: y.tensor });
        y
    }

    /// Root mean square norm of each head of each row.
    pub fn rms_norm_heads(&mut self, name: &str, x: View, gain: WeightId, head_width: u32, epsilon: f32) -> View {
        self.check_vector(gain, head_width);
        assert_eq!(x.width % head_width, 0, "a row of {} is no whole number of heads of {head_width}", x.width);
        let y = self.tensor(name, self.rows(x), x.width);
        self.plan.steps.push(Step::RmsNorm { x, gain, groups: x.width / head_width, epsilon, y: y.tensor });
        y
    }

    /// Layer norm of each row.
    pub fn layer_norm(&mut self, name: &str, x: View, gain: WeightId, bias: WeightId, epsilon: f32) -> View {
        self.check_vector(gain, x.width);
        self.check_vector(bias, x.width);
        let y = self.tensor(name, self.rows(x), x.width);
        self.plan.steps.push(Step::LayerNorm { x, gain, bias, epsilon, y: y.tensor });
        y
    }

    /// `matrix x[t]` for each row `t`.
    pub fn matmul(&mut self, name: &str, x: View, matrix: WeightId) -> View {
        let layout = self.layout(matrix);
        assert_eq!(layout.inputs, x.width, "{} takes another width", self.catalogue.name(matrix));
        let y = self.tensor(name, self.rows(x), layout.outputs);
        self.plan.steps.push(Step::Matmul { x, norm: None, matrix, epilogue: Epilogue::NONE, y });
        y
    }

    /// `x + bias`; without a bias, `x` itself.
    pub fn bias(&mut self, name: &str, x: View, bias: Option<WeightId>) -> View {
        let Some(bias) = bias else { return x };
        self.check_vector(bias, x.width);
        self.pointwise(name, x, Epilogue { bias: Some(bias), ..Epilogue::NONE })
    }

    /// `activation(x)`.
    pub fn activate(&mut self, name: &str, x: View, activation: Activation) -> View {
        self.pointwise(name, x, Epilogue { activation, ..Epilogue::NONE })
    }

    fn pointwise(&mut self, name: &str, x: View, epilogue: Epilogue) -> View {
        let y = self.tensor(name, self.rows(x), x.width);
        self.plan.steps.push(Step::Pointwise { x, epilogue, y });
        y
    }

    /// `y += x`.
    pub fn add_into(&mut self, y: View, x: View) {
        self.combine(y, x, Combine::Add);
    }

    /// `y *= x`.
    pub fn multiply_into(&mut self, y: View, x: View) {
        self.combine(y, x, Combine::Multiply);
    }

    fn combine(&mut self, y: View, x: View, combine: Combine) {
        assert_eq!((self.rows(x), x.width), (self.rows(y), y.width), "shapes differ");
        assert_ne!(x.tensor, y.tensor, "a tensor is combined with itself");
        self.plan.steps.push(Step::Pointwise { x, epilogue: Epilogue { combine, ..Epilogue::NONE }, y });
    }

    /// Each head of `x` rotated by its row's position.
    pub fn rope(&mut self, name: &str, x: View, table: WeightId, rotary: u32, pairing: Pairing) -> View {
        let CacheShape { head_width, context, .. } = self.plan.cache;
        self.check_vector(table, context * rotary);
        assert!(rotary <= head_width && rotary.is_multiple_of(2), "{rotary} of {head_width} values cannot be rotated");
        let y = self.tensor(name, self.rows(x), x.width);
        self.plan.steps.push(Step::Rope { x, table, head_width, rotary, pairing, y: y.tensor });
        y
    }

    /// Appends keys and values, each `[rows, kv_heads * head_width]`, to the cache of `layer`.
    pub fn store(&mut self, keys: View, values: View, layer: u32) {
        let CacheShape { kv_heads, head_width, .. } = self.plan.cache;
        for (x, side) in [(keys, Side::Keys), (values, Side::Values)] {
            assert_eq!(x.width, kv_heads * head_width, "the cache takes another width");
            self.plan.steps.push(Step::Store { x, layer, side });
        }
    }

    /// Attention of the queries `[rows, heads * head_width]` over the cache of `layer`.
    pub fn attention(&mut self, name: &str, q: View, layer: u32, heads: u32, scale: f32) -> View {
        let CacheShape { kv_heads, head_width, .. } = self.plan.cache;
        assert!(
            q.width == heads * head_width && heads.is_multiple_of(kv_heads),
            "queries of {} for {heads} heads",
            q.width
        );
        let y = self.tensor(name, self.rows(q), q.width);
        self.plan.steps.push(Step::Attention { q, layer, heads, scale, y: y.tensor });
        y
    }

    /// The rows that are given logits; where it is the last alone, [`finish`](Self::finish) chooses a token by them.
    pub fn output_rows(&mut self, x: View, output: Output) -> View {
        self.output = output;
        if output == Output::All || self.plan.rows == 1 {
            return x;
        }
        let y = self.tensor("last", Rows::Last, x.width);
        self.plan.steps.push(Step::LastRow { x, y: y.tensor });
        y
    }

    /// Ends the plan.
    pub fn finish(mut self, logits: View) -> Plan {
        assert_eq!((logits.start, logits.width), (0, self.plan.info(logits.tensor).width), "logits are a whole tensor");
        self.scope = String::new();
        self.plan.logits = logits.tensor;
        if self.output == Output::Last {
            let y = self.tensor("choice", Rows::Fixed(choose::RECORDS), choose::RECORD).tensor;
            self.plan.steps.push(Step::Choose { logits, y });
            self.plan.choice = Some(y);
        }
        self.plan
    }
}
