//! Rows of f32 -> NumPy's file format, version 1.0, without ever holding all of them.

use std::io::{self, Write};

/// Writes the head of a little-endian f32 array of shape `[rows, width]` in row-major order; its values follow.
pub fn write_head(out: &mut impl Write, rows: usize, width: usize) -> io::Result<()> {
    let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}");
    // Magic, version, the head's length and the head itself fill whole runs of 64 bytes and end with a line break.
    let length = (10 + dictionary.len() + 1).next_multiple_of(64) - 10;
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(length as u16).to_le_bytes())?;
    writeln!(out, "{dictionary:width$}", width = length - 1)
}

/// Writes values.
pub fn write_values(out: &mut impl Write, values: &[f32]) -> io::Result<()> {
    values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_head_is_aligned_and_says_the_shape() {
        let mut bytes = Vec::new();
        super::write_head(&mut bytes, 3, 49152).unwrap();
        assert_eq!(bytes.len(), 128);
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert!(bytes.ends_with(b" \n"));
        let text = String::from_utf8_lossy(&bytes[10..]);
        assert_eq!(text.trim_end(), "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 49152), }");
    }
}
