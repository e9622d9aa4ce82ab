//! Steps -> dispatches. A kernel is a pair: `shaders/x.wgsl` and its face `x.rs`, which says by name what is bound, which
//! parameters there are and how the grid follows from shapes, and holds the plain reference of the same computation.
//!
//! Bindings stand in three groups, the least often changed first:
//! group 0 what changes from run to run ([`Live`](crate::plan::Live)), group 1 the step's parameters (binding 0) and
//! tensors, group 2 the matrix, declared by the file of its format in `shaders/formats/`.

#[macro_use]
pub(crate) mod macros;
mod cache;
mod dispatch;
mod reference;
mod work;

pub mod attention;
pub mod attention_decode;
pub mod choose;
pub mod embed;
pub mod heads;
pub mod last_row;
pub mod layer_norm;
pub mod matmul;
pub mod matmul_few;
pub mod matmul_packed;
pub mod matvec;
pub mod pointwise;
pub mod probe;
pub mod quantise;
pub mod rms_norm;
pub mod roofline;
pub mod rope;
pub mod store;
pub mod tuning;

pub use cache::{CACHE_TILE, CacheFormat};
pub use dispatch::{Constants, Dispatch, Grid, Reach, Resource, RowVariant, Variant, lower, stride};
pub use reference::{Rows, RowsMut};
pub use tuning::Tuning;
pub use work::{Setting, Work};

use crate::format::Format;

/// One compute kernel: a file in `shaders/` and what the host must bind to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Stem of the file.
    pub name: &'static str,
    /// The file's text.
    pub source: &'static str,
    /// Invocations in a workgroup: the value of `WORKGROUP` in the shader, unless a dispatch has its own.
    pub workgroup: u32,
    /// Binding `i + 1` of group 1 is `bindings[i]`; binding 0 is the uniform `params`.
    pub bindings: &'static [Binding],
    /// Fields of `Params`, in order: name and type. All are 4-byte scalars, so equal lists mean equal layouts.
    pub params: &'static [(&'static str, &'static str)],
    /// Whether lanes find things together by subgroups, where the device has them: an import `name` then means
    /// `name_subgroups` where there is such a file.
    pub subgroups: bool,
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
    &attention::ATTENTION,
    &attention_decode::DECODE,
    &attention_decode::DECODE_LANE,
    &attention::ATTENTION_LANE,
    &attention_decode::MERGE,
    &choose::CHOOSE,
    &choose::CHOOSE_PARTIALS,
    &choose::CHOOSE_PARTIALS_LANE,
    &embed::KERNEL,
    &heads::KERNEL,
    &last_row::KERNEL,
    &layer_norm::KERNEL,
    &matmul::MATMUL,
    &matmul_few::MATMUL_FEW,
    &matmul::MATMUL_HALF,
    &matmul::MATMUL_LANE,
    &matmul_packed::MATMUL_LANE_PACKED,
    &matmul_packed::MATMUL_PACKED,
    &matvec::MATVEC,
    &matvec::MATVEC_GATED,
    &matvec::MATVEC_HEADS,
    &pointwise::KERNEL,
    &probe::DOT,
    &probe::EMPTY,
    &probe::FMA,
    &probe::PACKED,
    &probe::READ,
    &quantise::KERNEL,
    &rms_norm::KERNEL,
    &rope::KERNEL,
    &store::KERNEL,
];

/// The same kernels that can use subgroups, using them.
pub const WITH_SUBGROUPS: &[&Kernel] = &[
    &attention_decode::DECODE_SUBGROUPS,
    &choose::CHOOSE_PARTIALS_SUBGROUPS,
    &matvec::MATVEC_SUBGROUPS,
    &matvec::MATVEC_GATED_SUBGROUPS,
    &matvec::MATVEC_HEADS_SUBGROUPS,
];

const LIBRARY: &[(&str, &str)] = &[
    ("activation", wgsl!("lib/activation")),
    ("attend", wgsl!("lib/attend")),
    ("cached", wgsl!("lib/cached")),
    ("cells", wgsl!("lib/cells")),
    ("element_f16", wgsl!("lib/element_f16")),
    ("element_f32", wgsl!("lib/element_f32")),
    ("epilogue", wgsl!("lib/epilogue")),
    ("leaders", wgsl!("lib/leaders")),
    ("live", wgsl!("lib/live")),
    ("multiply", wgsl!("lib/multiply")),
    ("narrow", wgsl!("lib/narrow")),
    ("norm", wgsl!("lib/norm")),
    ("packed", wgsl!("lib/packed")),
    ("philox", wgsl!("lib/philox")),
    ("planes", wgsl!("lib/planes")),
    ("products", wgsl!("lib/products")),
    ("reduce", wgsl!("lib/reduce")),
    ("rotate", wgsl!("lib/rotate")),
    ("sampling", wgsl!("lib/sampling")),
    ("shares", wgsl!("lib/shares")),
    ("shares_subgroups", wgsl!("lib/shares_subgroups")),
    ("slice_team", wgsl!("lib/slice_team")),
    ("slice_team_subgroups", wgsl!("lib/slice_team_subgroups")),
    ("slices", wgsl!("lib/slices")),
    ("splits", wgsl!("lib/splits")),
    ("team", wgsl!("lib/team")),
    ("team_subgroups", wgsl!("lib/team_subgroups")),
    ("tiles", wgsl!("lib/tiles")),
    ("together", wgsl!("lib/together")),
    ("wide", wgsl!("lib/wide")),
];

impl Kernel {
    /// The same kernel by subgroups.
    const fn with_subgroups(self) -> Kernel {
        Kernel { subgroups: true, ..self }
    }

    /// Whether the kernel reads a matrix in any format: group 2.
    pub fn reads_matrix(&self) -> bool {
        self.imports().any(|name| name == "weights")
    }

    /// Whether a matrix may be in that format: packed products are of whole numbers.
    pub fn takes(&self, format: Format) -> bool {
        !self.reads_matrix() || !self.multiplies_packed() || matmul_packed::takes(format)
    }

    /// Whether the kernel reads or writes the cache in any format.
    pub fn has_cache(&self) -> bool {
        self.imports().any(|name| name == "cache")
    }

    /// Whether the kernel counts its workgroups over x and y together: [`Grid`] folds what is too many for x alone.
    fn folds(&self) -> bool {
        self.says("num_workgroups")
    }

    /// Whether the kernel multiplies packed i8 by packed i8.
    fn multiplies_packed(&self) -> bool {
        self.says("dot4I8Packed(")
    }

    /// Whether the kernel computes with halves, for which a device needs `shader-f16`.
    pub fn needs_halves(&self) -> bool {
        self.source.lines().any(|line| line == "enable f16;")
    }

    /// Whether a word stands in the kernel's file or in one that it imports from the library.
    fn says(&self, word: &str) -> bool {
        let texts = self.imports().filter_map(|name| self.library(name));
        std::iter::once(self.source).chain(texts).any(|text| text.contains(word))
    }

    /// The text of a file of the library, if there is one of that name.
    fn library(&self, name: &str) -> Option<&'static str> {
        let find = |name: &str| LIBRARY.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
        let by_subgroups = self.subgroups.then(|| find(&format!("{name}_subgroups"))).flatten();
        by_subgroups.or_else(|| find(name))
    }

    fn imports(&self) -> impl Iterator<Item = &'static str> {
        self.source.lines().filter_map(|line| line.strip_prefix("#import "))
    }

    /// The kernel's WGSL with every `#import` met: `weights` is the file of the matrix's format (`registers` its functions
    /// over registers, for a probe), `cache` that of the cache's, any other name a file of `shaders/lib`. Imports are
    /// appended, never spliced in, so line numbers in a compiler's message are those of the kernel's own file. Browsers
    /// want it said ahead that subgroups are used; naga doesn't know the word.
    pub fn link(&self, format: Format, cache: CacheFormat) -> String {
        let mut text =
            if self.subgroups && cfg!(target_arch = "wasm32") { "enable subgroups; " } else { "" }.to_string();
        for line in self.source.lines() {
            text.push_str(if line.starts_with("#import ") { "" } else { line });
            text.push('\n');
        }
        for name in self.imports() {
            match name {
                "weights" => text.push_str(format.wgsl()),
                "registers" => text.push_str(&probe::registers(format)),
                "cache" => text.push_str(cache.wgsl()),
                _ => text.push_str(self.library(name).expect("an import is a file of shaders/lib")),
            }
        }
        if self.subgroups {
            text.push_str(self.library("leaders").expect("what files of subgroups share"));
        }
        text
    }
}
