//! Test support: tensors -> the bytes of a safetensors file.

/// The file of tensors `(name, dtype, shape, data)`.
pub(crate) fn file(tensors: &[(&str, &str, &[u64], &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), serde_json::json!({ "format": "pt" }));
    for (name, dtype, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header.insert(name.to_string(), serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets }));
        data.extend_from_slice(bytes);
    }
    with_header(&serde_json::Value::Object(header).to_string(), &data)
}

/// The file of any header.
pub(crate) fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    // Real files pad their header with spaces, so that tensors begin at a multiple of 8.
    let padded = format!("{header:<width$}", width = header.len().next_multiple_of(8));
    [&(padded.len() as u64).to_le_bytes()[..], padded.as_bytes(), data].concat()
}
