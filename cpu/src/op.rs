//! What a program says: operations over addresses, plain data that the core writes and every thread reads.
//!
//! An address is that of the memory which the program runs in. All of it has the same layout wherever it is compiled for the
//! same width of addresses: that is what `repr(C)` is for.

/// Values in a block of a weight, and of what is quantised.
pub const BLOCK: usize = 32;

/// Rows of f32: row `t` begins `4 * t * stride` bytes after `at`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    /// Address of the first value.
    pub at: usize,
    /// Values from row to row.
    pub stride: u32,
    /// Values in a row.
    pub width: u32,
}

impl Rows {
    /// Address of row `t`.
    pub(crate) fn row(&self, t: usize) -> *mut f32 {
        (self.at + 4 * t * self.stride as usize) as *mut f32
    }
}

/// How many rows an operation has.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Those of the run.
    Live,
    /// One.
    One,
}

/// How a matrix is stored: the core's formats.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// f32
    F32,
    /// f16
    F16,
    /// i8 and an f16 scale for each block.
    Q8,
    /// u4, an f16 scale and an f16 minimum for each block.
    Q4,
}

/// Rows of a matrix, in the order that [`pack`](crate::pack) gives them.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Matrix {
    /// Address of the values: room for whole panels of eight rows.
    pub values: usize,
    /// Address of the scales, likewise.
    pub scales: usize,
    /// How they are stored.
    pub format: Format,
    /// Rows.
    pub outputs: u32,
    /// Values in a row.
    pub inputs: u32,
}

impl Matrix {
    /// Blocks in a row.
    pub fn blocks(&self) -> usize {
        (self.inputs as usize).div_ceil(BLOCK)
    }

    /// Panels of eight rows.
    pub fn panels(&self) -> usize {
        (self.outputs as usize).div_ceil(crate::lanes::LANES)
    }
}

/// Activations as whole numbers: for each row and block `planes` times 32 i8, a scale, and the sum of what is stood for.
///
/// A second plane holds what rounding to the first leaves over, in parts of 254: together they are as good as 16 bits.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Quantised {
    /// Address of `[rows, blocks, planes, 32]` i8.
    pub values: usize,
    /// Address of `[rows, blocks]` f32.
    pub scales: usize,
    /// Address of `[rows, blocks]` f32.
    pub sums: usize,
    /// Blocks in a row.
    pub blocks: u32,
    /// One or two.
    pub planes: u32,
}

/// A function of one value: the core's activations.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the core's plan")]
pub enum Activation {
    Identity,
    Silu,
    GeluTanh,
    GeluErf,
    Relu,
}

/// What becomes of a result where it is written.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the core's plan")]
pub enum Combine {
    Store,
    Add,
    Multiply,
}

/// `y = combine(y, activation(value + bias))`
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Epilogue {
    /// Address of a vector; 0 for none.
    pub bias: usize,
    /// Function of the sum.
    pub activation: Activation,
    /// How it meets what `y` holds.
    pub combine: Combine,
}

/// How keys and values are stored: the core's formats of a cache.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheFormat {
    /// f32
    F32,
    /// f16
    F16,
    /// i8, and an f32 scale for each block of a head.
    Q8,
}

/// One layer's keys and values: `[kv_heads]` heads, each `capacity` positions of `head_width` values.
///
/// Keys stand eight positions at a time, value by value, so that eight scores are computed at once; values stand position by
/// position. `capacity` is a multiple of 8. Scales, where there are any, stand behind each eight positions of keys,
/// `[head_width / 32, 8]`, and behind each position of values, `[head_width / 32]`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Cache {
    /// Address of the keys: `[kv_heads, capacity / 8, head_width, 8]`.
    pub keys: usize,
    /// Address of the values: `[kv_heads, capacity, head_width]`.
    pub values: usize,
    /// Heads of keys and of values.
    pub kv_heads: u32,
    /// Values in a head.
    pub head_width: u32,
    /// Positions that there is room for.
    pub capacity: u32,
    /// How both are stored.
    pub format: CacheFormat,
}

impl Cache {
    /// Blocks in a head.
    pub(crate) fn blocks(&self) -> usize {
        self.head_width as usize / BLOCK
    }

    /// Bytes of a head at one position as i8, with their scales.
    pub(crate) fn scaled_bytes(&self) -> usize {
        self.head_width as usize + 4 * self.blocks()
    }
}

/// How heads are normed and rotated on their way into attention.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Address of the gain of queries' norms; 0 for none.
    pub query_gain: usize,
    /// The same for keys.
    pub key_gain: usize,
    /// Added to the mean square.
    pub epsilon: f32,
    /// Address of cosine and sine, `[context, rotary / 2, 2]`; 0 for no rotation.
    pub table: usize,
    /// How many values of a head are rotated.
    pub rotary: u32,
    /// 1 where neighbours are paired, 0 where halves are.
    pub adjacent: u32,
}

/// One operation. Results don't depend on how many threads share it.
#[repr(C, u32)]
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the fields are the names in each formula")]
pub enum Op {
    /// `y[t] = table[index of t]`, or added; of a table in parts, those rows that this part has, from `first` on.
    Embed { table: Matrix, first: u32, tokens: usize, by_position: u32, combine: Combine, y: Rows, count: Count },
    /// Scales each of a row's `groups` runs to unit mean square, then by `gain`.
    RmsNorm { x: Rows, gain: usize, groups: u32, epsilon: f32, y: Rows, count: Count },
    /// Shifts and scales each row to mean 0 and variance 1, then by `gain` and `bias`.
    LayerNorm { x: Rows, gain: usize, bias: usize, epsilon: f32, y: Rows, count: Count },
    /// `y[t] = x[t]` as whole numbers.
    Quantise { x: Rows, y: Quantised, count: Count },
    /// `y[t] = epilogue(matrix x[t])` over whole numbers: q4 and q8.
    MatmulInts { x: Quantised, matrix: Matrix, epilogue: Epilogue, y: Rows, count: Count },
    /// The same over f32, in any format.
    MatmulFloats { x: Rows, matrix: Matrix, epilogue: Epilogue, y: Rows, count: Count },
    /// `y[t] = epilogue(x[t])`
    Pointwise { x: Rows, epilogue: Epilogue, y: Rows, count: Count },
    /// `y[t][i] = activation(x[t][i]) * x[t][width of y + i]`
    Gate { x: Rows, activation: Activation, y: Rows, count: Count },
    /// Rotates each head of `head_width` values.
    Rope { x: Rows, head_width: u32, turn: Turn, y: Rows, count: Count },
    /// Appends rows to the keys (`keys` 1) or the values of a layer.
    Store { x: Rows, keys: u32, cache: Cache },
    /// Queries, keys and values side by side: queries to `y`, the rest into the cache, normed and rotated on the way.
    Heads { x: Rows, turn: Turn, cache: Cache, y: Rows },
    /// Softmax attention of each row over the cache up to its own position. `scratch`: `scratch_bytes` for each thread.
    Attention { q: Rows, cache: Cache, scale: f32, scratch: usize, scratch_bytes: u32, y: Rows },
    /// `y[0] = x[last row of the run]`
    LastRow { x: Rows, y: Rows },
}

/// What varies from run to run.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Live {
    /// Position of the first row.
    pub position: u32,
    /// Rows in use.
    pub rows: u32,
}

impl Live {
    pub(crate) fn count(&self, count: Count) -> usize {
        match count {
            Count::Live => self.rows as usize,
            Count::One => 1,
        }
    }
}
