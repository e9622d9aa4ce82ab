// y[t, o] = epilogue(sum over i of weights[o, i] * x[t, i])
// One workgroup per tile of rows t by outputs o.
#import live
#import epilogue
#import activation
#import products
#import element_f32
#import tiles
#import weights

struct Params { first_output: u32, outputs: u32, blocks: u32, rows: u32, y_start: u32, y_stride: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<vec4<f32>>; // [rows, blocks * 8]
@group(1) @binding(2) var<storage, read>       bias:   array<f32>;       // [all outputs]
@group(1) @binding(3) var<storage, read_write> y:      array<f32>;       // [rows, all outputs]
