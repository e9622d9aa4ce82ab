//! A tuning <-> JSON: how it is kept from load to load, seen, and forced.
//!
//! ```json
//! {
//!   "oriel": "0.1.0",
//!   "adapter": "the adapter's name and driver",
//!   "matvec": { "usual": "16", "shapes": { "q4 1536x576": "8" } },
//!   ...
//! }
//! ```

use super::{Kind, Subject, Tuning};
use crate::format::Format;
use crate::{Error, Result};
use serde_json::{Map, Value, json};

/// The version whose kernels a tuning is about: another's may run otherwise.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Tuning {
    /// The tuning of an adapter.
    pub fn to_json(&self, adapter: &str) -> Value {
        let mut all = Map::new();
        all.insert("oriel".into(), VERSION.into());
        all.insert("adapter".into(), adapter.into());
        for kind in Kind::ALL {
            let table = self.table(kind);
            let shapes: Map<String, Value> =
                table.by_shape().into_iter().map(|(shape, name)| (shape.to_string(), name.into())).collect();
            all.insert(kind.name().into(), json!({ "usual": table.usual(), "shapes": shapes }));
        }
        Value::Object(all)
    }

    /// Takes over what `value` says: all of it, or nothing where something in it is not understood. Kinds and shapes that
    /// it leaves out stay as they are. Which adapter and version it comes from is not asked: [`is_of`] does.
    ///
    /// # Errors
    /// [`Error::Option`] with the kind, the shape and what is supported.
    pub fn apply_json(&mut self, value: &Value) -> Result<()> {
        let mut tuning = self.clone();
        for (name, part) in object(value, "tuning")? {
            match Kind::ALL.into_iter().find(|kind| kind.name() == name) {
                Some(kind) => tuning.apply_kind(kind, part)?,
                None if (name == "oriel" || name == "adapter") && part.is_string() => {}
                None => {
                    let known = Kind::ALL.map(Kind::name).join(", ");
                    return Err(Error::Option(format!(
                        "tuning: {name:?} is not known; supported: oriel, adapter, {known}"
                    )));
                }
            }
        }
        *self = tuning;
        Ok(())
    }

    fn apply_kind(&mut self, kind: Kind, value: &Value) -> Result<()> {
        let place = format!("tuning: {}", kind.name());
        for (name, part) in object(value, &place)? {
            match name.as_str() {
                "usual" => self.choose_usual(kind, text(part, &format!("{place}, usual"))?)?,
                "shapes" => {
                    for (shape, choice) in object(part, &format!("{place}, shapes"))? {
                        let subject = Subject::read(kind, shape)?;
                        self.choose(&subject, text(choice, &format!("{place}, {shape}"))?)?;
                    }
                }
                _ => return Err(Error::Option(format!("{place}: {name:?} is not known; supported: usual, shapes"))),
            }
        }
        Ok(())
    }
}

/// Whether a kept tuning is about this adapter and these kernels.
pub fn is_of(value: &Value, adapter: &str) -> bool {
    value["oriel"] == VERSION && value["adapter"] == adapter
}

impl Subject {
    /// From the text of a shape.
    fn read(kind: Kind, shape: &str) -> Result<Subject> {
        let number = |text: &str| text.parse::<u32>().is_ok_and(|number| number > 0 && number.to_string() == text);
        let pair = |text: &str, between| {
            let sizes: Option<(&str, &str)> = str::split_once(text, between);
            sizes.is_some_and(|(first, second)| number(first) && number(second))
        };
        let (known, expected) = match kind {
            Kind::Matvec | Kind::Matmul => {
                let parts = shape.split_once(' ');
                let format = |name: &str| Format::ALL.iter().any(|format| format.name() == name);
                (parts.is_some_and(|(name, sizes)| format(name) && pair(sizes, 'x')), "q4 1536x576")
            }
            Kind::AttentionDecode | Kind::Attention => {
                let parts = shape.split_once('x');
                (parts.is_some_and(|(heads, width)| pair(heads, '/') && number(width)), "9/3x64")
            }
        };
        if known {
            return Ok(Subject { kind, shape: shape.to_string() });
        }
        let kind = kind.name();
        Err(Error::Option(format!("tuning: {kind}: {shape:?} is no shape; expected one like {expected:?}")))
    }
}

fn object<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| Error::Option(format!("{place}: expected an object")))
}

fn text<'a>(value: &'a Value, place: &str) -> Result<&'a str> {
    value.as_str().ok_or_else(|| Error::Option(format!("{place}: expected a string")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Variant;
    use crate::kernels::matmul::Tile;
    use crate::kernels::tuning::Vendor;

    fn tuned() -> Tuning {
        let mut tuning = Tuning::start(Vendor::Nvidia);
        tuning.choose(&Subject { kind: Kind::Matvec, shape: "q4 1536x576".into() }, "8").unwrap();
        tuning.choose(&Subject { kind: Kind::Attention, shape: "9/3x64".into() }, "lane").unwrap();
        tuning
    }

    #[test]
    fn what_is_written_is_read_again() {
        let value = tuned().to_json("card, driver 1");
        let mut read = Tuning::all(Variant::Lane);
        read.apply_json(&value).unwrap();
        assert_eq!(read, tuned());
        assert!(is_of(&value, "card, driver 1"));
        assert!(!is_of(&value, "card, driver 2"));
    }

    #[test]
    fn what_is_left_out_stays() {
        let mut tuning = tuned();
        tuning.apply_json(&json!({ "matmul": { "usual": "lane" } })).unwrap();
        assert_eq!(tuning.matmul.usual, Tile::Lane);
        assert_eq!(tuning.matvec, tuned().matvec);
    }

    #[test]
    fn faults_are_told_by_their_place() {
        let cases = [
            (json!([]), "tuning: expected an object"),
            (json!({ "matvecs": {} }), "tuning: \"matvecs\" is not known; supported: oriel, adapter, matvec, matmul"),
            (json!({ "matvec": { "usual": "3" } }), "tuning: matvec, usual: \"3\" is no way to do it; supported: 1, 4"),
            (json!({ "matvec": { "usual": 4 } }), "tuning: matvec, usual: expected a string"),
            (json!({ "matvec": { "shape": {} } }), "tuning: matvec: \"shape\" is not known; supported: usual, shapes"),
            (json!({ "matmul": { "shapes": { "q4 8x64": "tiny" } } }), "tuning: matmul, q4 8x64: \"tiny\" is no way"),
            (json!({ "matmul": { "shapes": { "q4 8x": "lane" } } }), "tuning: matmul: \"q4 8x\" is no shape; expected"),
            (json!({ "matmul": { "shapes": { "q5 8x8": "lane" } } }), "tuning: matmul: \"q5 8x8\" is no shape"),
            (json!({ "attention": { "shapes": { "9/0x64": "lane" } } }), "tuning: attention: \"9/0x64\" is no shape"),
        ];
        for (value, message) in cases {
            let mut tuning = tuned();
            let error = tuning.apply_json(&value).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
            assert_eq!(tuning, tuned(), "nothing of it is taken");
        }
    }
}
