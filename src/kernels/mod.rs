//! Steps -> dispatches. A kernel is a pair: `shaders/x.wgsl` and its face `x.rs`, which says by name what is bound, which
//! parameters there are and how the grid follows from shapes, and holds the plain reference of the same computation.
//!
//! Bindings stand in three groups, the least often changed first:
//! group 0 what changes from run to run ([`Live`](crate::plan::Live)), group 1 the step's parameters (binding 0) and
//! tensors, group 2 the matrix, declared by the file of its format in `shaders/formats/`.

#[macro_use]
mod macros;
mod dispatch;
mod reference;
mod work;

pub mod argmax;
pub mod attention;
pub mod embed;
pub mod heads;
pub mod last_row;
pub mod layer_norm;
pub mod matmul;
pub mod matvec;
pub mod pointwise;
pub mod rms_norm;
pub mod rope;
pub mod store;

pub use dispatch::{Constants, Dispatch, Grid, Resource, Variant, Variants, lower, stride};
pub use reference::{Rows, RowsMut};
pub use work::{Setting, Work};

use crate::format::Format;
use crate::plan::CacheShape;

/// One compute kernel: a file in `shaders/` and what the host must bind to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Stem of the file.
    pub name: &'static str,
    /// The file's text.
    pub source: &'static str,
    /// Invocations in a workgroup: the value of `WORKGROUP` in the shader.
    pub workgroup: u32,
    /// Binding `i + 1` of group 1 is `bindings[i]`; binding 0 is the uniform `params`.
    pub bindings: &'static [Binding],
    /// Fields of `Params`, in order: name and type. All are 4-byte scalars, so equal lists mean equal layouts.
    pub params: &'static [(&'static str, &'static str)],
}

/// A storage buffer of group 1, by the name of its variable.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Binding {
    /// Read only.
    Read(&'static str),
    /// Written, and perhaps read.
    Write(&'static str),
}

/// Every kernel, in the order of the files' names.
pub const ALL: &[&Kernel] = &[
    &argmax::KERNEL,
    &attention::ATTENTION,
    &attention::ATTENTION_LANE,
    &embed::KERNEL,
    &heads::KERNEL,
    &last_row::KERNEL,
    &layer_norm::KERNEL,
    &matmul::MATMUL,
    &matmul::MATMUL_LANE,
    &matvec::MATVEC,
    &matvec::MATVEC_GATED,
    &matvec::MATVEC_HEADS,
    &pointwise::KERNEL,
    &rms_norm::KERNEL,
    &rope::KERNEL,
    &store::KERNEL,
];

/// Positions in a tile of the cache: `shaders/lib/cells.wgsl` says how keys and values stand in it.
pub const CACHE_TILE: u32 = 64;

/// How the cache of keys and values is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheFormat {
    /// Four values in 16 bytes.
    F32,
    /// Four values in 8 bytes.
    F16,
}

impl CacheFormat {
    /// Every format, for tests.
    pub const ALL: [CacheFormat; 2] = [CacheFormat::F32, CacheFormat::F16];

    /// Bytes of four values.
    pub const fn word_bytes(self) -> u64 {
        match self {
            CacheFormat::F32 => 16,
            CacheFormat::F16 => 8,
        }
    }

    /// Bytes of a layer's keys, or of its values: heads are padded to whole words, positions to whole tiles.
    pub fn bytes(self, shape: CacheShape) -> u64 {
        let head_words = u64::from(shape.head_width.div_ceil(4));
        let positions = u64::from(shape.context).next_multiple_of(u64::from(CACHE_TILE));
        u64::from(shape.kv_heads) * positions * head_words * self.word_bytes()
    }

    const fn wgsl(self) -> &'static str {
        match self {
            CacheFormat::F32 => include_str!("../../shaders/formats/cache_f32.wgsl"),
            CacheFormat::F16 => include_str!("../../shaders/formats/cache_f16.wgsl"),
        }
    }
}

const LIBRARY: &[(&str, &str)] = &[
    ("activation", include_str!("../../shaders/lib/activation.wgsl")),
    ("cells", include_str!("../../shaders/lib/cells.wgsl")),
    ("epilogue", include_str!("../../shaders/lib/epilogue.wgsl")),
    ("live", include_str!("../../shaders/lib/live.wgsl")),
    ("multiply", include_str!("../../shaders/lib/multiply.wgsl")),
    ("norm", include_str!("../../shaders/lib/norm.wgsl")),
    ("reduce", include_str!("../../shaders/lib/reduce.wgsl")),
    ("rotate", include_str!("../../shaders/lib/rotate.wgsl")),
];

impl Kernel {
    /// Whether the kernel reads a matrix in any format: group 2.
    pub fn reads_matrix(&self) -> bool {
        self.imports().any(|name| name == "weights")
    }

    /// Whether the kernel counts its workgroups over x and y together: [`Grid`] folds what is too many for x alone.
    fn folds(&self) -> bool {
        let texts = self.imports().filter_map(|name| LIBRARY.iter().find(|(known, _)| *known == name));
        std::iter::once(self.source).chain(texts.map(|(_, text)| *text)).any(|text| text.contains("num_workgroups"))
    }

    fn imports(&self) -> impl Iterator<Item = &'static str> {
        self.source.lines().filter_map(|line| line.strip_prefix("#import "))
    }

    /// The kernel's WGSL with every `#import` met: `weights` is the file of the matrix's format, `cache` that of the
    /// cache's, any other name a file of `shaders/lib`. Imports are appended, never spliced in, so line numbers in a
    /// compiler's message are those of the kernel's own file.
    pub fn link(&self, format: Format, cache: CacheFormat) -> String {
        let mut text: String = self
            .source
            .lines()
            .map(|line| if line.starts_with("#import ") { "\n".into() } else { format!("{line}\n") })
            .collect();
        for name in self.imports() {
            text.push_str(match name {
                "weights" => format.wgsl(),
                "cache" => cache.wgsl(),
                name => LIBRARY.iter().find(|(known, _)| *known == name).expect("an import is a file of shaders/lib").1,
            });
        }
        text
    }
}
