//! A tuning <-> JSON: how it is kept from load to load, seen, and forced.
//!
//! ```json
//! {
//!   "oriel": "0.1.0",
//!   "adapter": "the adapter's name and driver",
//!   "matvec": { "usual": "16", "shapes": { "q4 1536x576": "8" } },
//!   ...
//!   "left_out": { "matvec": { "64": "lost" } }
//! }
//! ```

use super::{Fault, Kind, Subject, Tuning};
use crate::format::Format;
use crate::{Error, Result};
use serde_json::{Map, Value, json};

/// What is not tried, beside the kinds.
const LEFT_OUT: &str = "left_out";

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
        let of = |kind: Kind| -> Map<String, Value> {
            self.suspects(kind).map(|(name, fault)| (name.into(), fault.name().into())).collect()
        };
        let left_out = Kind::ALL.into_iter().map(|kind| (kind, of(kind))).filter(|(_, of)| !of.is_empty());
        let left_out: Map<_, _> = left_out.map(|(kind, of)| (kind.name().into(), of.into())).collect();
        all.insert(LEFT_OUT.into(), left_out.into());
        Value::Object(all)
    }

    /// Takes over what `value` says: all of it, or nothing where something in it is not understood. Kinds and shapes that
    /// it does not name stay as they are, and so does what is left out where it has no word of that. Which adapter and
    /// version it comes from is not asked: [`is_of`] does.
    ///
    /// # Errors
    /// [`Error::Option`] with the kind, the shape and what is supported.
    pub fn apply_json(&mut self, value: &Value) -> Result<()> {
        let mut tuning = self.clone();
        for (name, part) in object(value, "tuning")? {
            match Kind::ALL.into_iter().find(|kind| kind.name() == name) {
                Some(kind) => tuning.apply_kind(kind, part)?,
                None if name == LEFT_OUT => tuning.apply_left_out(part)?,
                None if (name == "oriel" || name == "adapter") && part.is_string() => {}
                None => {
                    let known = Kind::ALL.map(Kind::name).join(", ");
                    return Err(Error::Option(format!(
                        "tuning: {name:?} is not known; supported: oriel, adapter, {known}, {LEFT_OUT}"
                    )));
                }
            }
        }
        *self = tuning;
        Ok(())
    }

    fn apply_left_out(&mut self, value: &Value) -> Result<()> {
        let place = format!("tuning: {LEFT_OUT}");
        self.left_out.clear();
        for (name, part) in object(value, &place)? {
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
            let kind = kind.ok_or_else(|| Error::Option(format!("{place}: {name:?} is not known")))?;
            for (way, fault) in object(part, &place)? {
                let known = fault.as_str().and_then(Fault::parse);
                let unknown = || Error::Option(format!("{place}: {fault} is not known; supported: tried, lost, wrong"));
                self.leave_out(kind, way, known.ok_or_else(unknown)?)?;
            }
        }
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
    use crate::kernels::tuning::{Features, Vendor};

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
    fn ways_that_are_left_out_are_kept_so_and_not_taken() {
        let mut tuning = tuned();
        let usual = tuning.usual(Kind::Matvec);
        tuning.leave_out(Kind::Matvec, usual, Fault::Lost).unwrap();
        tuning.leave_out(Kind::Matvec, "8", Fault::Wrong).unwrap();
        let value = tuning.to_json("card");
        assert_eq!(value["left_out"], json!({ "matvec": { "32": "lost", "8": "wrong" } }));
        let mut read = Tuning::start(Vendor::Nvidia);
        read.apply_json(&value).unwrap();
        assert_eq!(read, tuning);
        let (features, subject) = (Features::default(), Subject { kind: Kind::Matvec, shape: "q4 1536x576".into() });
        read.avoid(features);
        assert!(![usual, "8"].contains(&read.usual(Kind::Matvec)) && read.chosen(&subject).is_none());
        assert!(read.ways(&subject, features).iter().all(|way| ![usual, "8"].contains(way)));
        assert_eq!(read.usual(Kind::Matmul), tuning.usual(Kind::Matmul));
        assert_eq!(read.left_out_for(Fault::Lost).as_deref(), Some("matvec 32"));
        // One that a load ended in is tried once more.
        let once = tuned().if_ended(Kind::Matvec, "4").unwrap();
        let value = once.to_json("card");
        assert_eq!(value["left_out"], json!({ "matvec": { "4": "tried" } }));
        read.apply_json(&value).unwrap();
        assert!(read.ways(&subject, features).contains(&"4") && read.left_out_for(Fault::Lost).is_none());
        assert_eq!(read.if_ended(Kind::Matvec, "4").unwrap().fault(Kind::Matvec, "4"), Some(Fault::Lost));
        read.survived(Kind::Matvec, "4");
        assert_eq!(read.to_json("card")["left_out"], json!({}));
        read.apply_json(&tuning.to_json("card")).unwrap();
        read.survived(Kind::Matvec, "8");
        // Who says nothing of it changes nothing, who says that there is nothing does.
        read.apply_json(&json!({})).unwrap();
        assert_eq!(read.fault(Kind::Matvec, "8"), Some(Fault::Wrong));
        read.apply_json(&json!({ "left_out": {} })).unwrap();
        assert_eq!(read.fault(Kind::Matvec, "8"), None);
        // With none left, what is usual stays.
        let all = tuning.names(Kind::Attention);
        all.iter().for_each(|name| tuning.leave_out(Kind::Attention, name, Fault::Lost).unwrap());
        tuning.avoid(features);
        assert!(all.contains(&tuning.usual(Kind::Attention)));
    }

    #[test]
    fn what_is_not_named_stays() {
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
            (json!({ "left_out": { "matvec": { "3": "lost" } } }), "tuning: matvec, left_out: \"3\" is no way"),
            (
                json!({ "left_out": { "matvec": { "4": "slow" } } }),
                "tuning: left_out: \"slow\" is not known; supported",
            ),
            (json!({ "left_out": { "matvek": {} } }), "tuning: left_out: \"matvek\" is not known"),
        ];
        for (value, message) in cases {
            let mut tuning = tuned();
            let error = tuning.apply_json(&value).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
            assert_eq!(tuning, tuned(), "nothing of it is taken");
        }
    }
}
