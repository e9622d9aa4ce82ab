
// What changes from run to run: the position of the first row, and how many rows are in use.
struct Live { position: u32, rows: u32 }

@group(0) @binding(0) var<uniform> live: Live;
