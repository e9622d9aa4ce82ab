
// What changes from run to run: the position of the first row, how many rows are in use, how many tokens were generated
// before, and which record of the choices is written.
struct Live { position: u32, rows: u32, place: u32, slot: u32 }

@group(0) @binding(0) var<uniform> live: Live;
