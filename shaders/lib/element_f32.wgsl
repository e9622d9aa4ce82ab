
// Four values in shared memory, as they are.
alias Element = vec4<f32>;

fn element(values: vec4<f32>) -> Element { return values; }
