// y[t, i] = table[index(t), i], or added to y[t, i]; index(t) is the token of row t or its position.
// One invocation per block of a row. Rows of the table that stand in another part are left to that part's dispatch.
#import live
#import weights

struct Params { first_output: u32, outputs: u32, blocks: u32, width: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       tokens: array<u32>;       // [rows]
@group(1) @binding(2) var<storage, read_write> y:      array<vec4<f32>>; // [rows, blocks * 8]

override WORKGROUP: u32;
override BY_POSITION: bool = false;
override ADD: bool = false;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let block = id.x;
    var index = tokens[id.z];
    if BY_POSITION { index = live.position + id.z; }
    let output = index - params.first_output;
    if block >= params.blocks || index < params.first_output || output >= params.outputs { return; }
    for (var i = 0u; i < 8u; i++) {
        // Padding stays zero, which a quantised block may only come near.
        let column = vec4<u32>(block * 32u + i * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
        let inside = column < vec4<u32>(params.width);
        var value = select(vec4<f32>(0.0), weight_vec4(output * params.blocks + block, i), inside);
        let at = (id.z * params.blocks + block) * 8u + i;
        if ADD { value += y[at]; }
        y[at] = value;
    }
}
